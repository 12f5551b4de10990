import { timingSafeEqual } from 'node:crypto'
import type { Config } from '../config/index.ts'
import type { Database } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import { allScopes, type Caller, defaultTenantId, memoryScopes, type Scope, systemTenantId } from './context.ts'
import { hashSecret, parseKey } from './keys.ts'

/** Revocation and suspension take effect everywhere within this time. */
const cacheMs = 5_000
const cacheSize = 10_000
const loopbackNames = /^(localhost|[\w-]+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/
type Known = { tenantId: number; tenant: string; suspended: boolean; secretHash: Buffer | null; scopes: Scope[]; expiresAt: number }

export type Authenticate = (request: Request) => Promise<Caller>

/** Verifies the credential of a request. @throws AppError unauthenticated, forbidden */
export function createAuthenticate(config: Config, app: Database): Authenticate {
  const cache = new Map<string, { until: number; value: Promise<Known | undefined> }>()

  function cached(key: string, load: () => Promise<Known | undefined>): Promise<Known | undefined> {
    const now = Date.now()
    const hit = cache.get(key)
    if (hit && hit.until > now) return hit.value
    if (cache.size >= cacheSize) cache.clear()
    const value = load()
    cache.set(key, { until: now + cacheMs, value })
    value.catch(() => cache.delete(key))
    return value
  }

  const tenantOf = (tenantId: number) => cached(`t${tenantId}`, () => loadTenant(app, tenantId))
  const tokenHash = config.SOMA_API_TOKEN ? hashSecret(config.SOMA_API_TOKEN) : undefined

  async function identify(token: string | undefined, host: string): Promise<{ known: Known; actor: string }> {
    if (token === undefined) {
      if (config.AUTH_MODE !== 'open') throw unauthenticated('Send "Authorization: Bearer <key>".')
      // a web page whose name was made to resolve to 127.0.0.1 (DNS rebinding) carries its own name as host
      if (config.AUTH_OPEN_IN_CONTAINER !== '1' && !loopbackNames.test(host))
        throw unauthenticated('Without a credential this answers only to a loopback address in the Host header.')
      return { known: { ...(await mustKnow(tenantOf(defaultTenantId))), scopes: [...memoryScopes, 'admin'] }, actor: 'open' }
    }
    if (tokenHash && timingSafeEqual(hashSecret(token), tokenHash)) {
      return { known: { ...(await mustKnow(tenantOf(defaultTenantId))), scopes: [...memoryScopes, 'admin'] }, actor: 'api-token' }
    }
    const parts = config.AUTH_MODE === 'token' ? undefined : parseKey(token)
    if (!parts) throw unauthenticated('The credential is not valid.')
    const known = await cached(`k${parts.tenantId}-${parts.keyId}`, () => loadKey(app, parts.tenantId, parts.keyId))
    // an unknown id costs the same comparison as a wrong secret
    const same = timingSafeEqual(hashSecret(parts.secret), known?.secretHash ?? Buffer.alloc(32))
    if (!known || !same || known.expiresAt <= Date.now()) throw unauthenticated('The credential is not valid.')
    return { known, actor: `key:${parts.keyId}` }
  }

  return async (request) => {
    const { known, actor } = await identify(credentialOf(request), new URL(request.url).hostname)
    if (known.suspended) throw new AppError('forbidden', 'This tenant is suspended.')
    const named = request.headers.get('x-tenant-id')
    if (named !== null && named !== known.tenant) throw new AppError('forbidden', 'X-Tenant-ID is not the tenant of this credential.')
    return { tenantId: known.tenantId, tenant: known.tenant, actor, scopes: new Set(known.scopes) }
  }
}

function credentialOf(request: Request): string | undefined {
  const header = request.headers.get('authorization')
  if (header !== null) {
    const match = /^Bearer +(\S+)$/i.exec(header)
    if (!match) throw unauthenticated('The Authorization header must read "Bearer <key>".')
    return match[1]
  }
  return request.headers.get('x-api-key') ?? undefined
}

function unauthenticated(detail: string): AppError {
  return new AppError('unauthenticated', detail, { headers: { 'www-authenticate': 'Bearer' } })
}

async function mustKnow(found: Promise<Known | undefined>): Promise<Known> {
  const known = await found
  if (!known) throw new AppError('unavailable', 'The tenant "default" is missing: run `npx soma migrate`.', { retryAfterSeconds: 5 })
  return known
}

async function loadTenant(app: Database, tenantId: number): Promise<Known | undefined> {
  const [row] = await app.transaction({ role: 'soma_app', tenantId, readOnly: true }, (tx) =>
    tx.query<{ name: string; status: string }>('select name, status from tenants where tenant_id = $1::integer', [tenantId]),
  )
  return row && { tenantId, tenant: row.name, suspended: row.status !== 'active', secretHash: null, scopes: [], expiresAt: Number.POSITIVE_INFINITY }
}

/** Looked up inside the tenant that the key names, so that not even this read crosses tenants. */
async function loadKey(app: Database, tenantId: number, keyId: string): Promise<Known | undefined> {
  const [row] = await app.transaction({ role: 'soma_app', tenantId, readOnly: true }, (tx) =>
    tx.query<{ name: string; status: string; secret_hash: Buffer; scopes: string[]; expires_at: Date | null }>(
      `select t.name, t.status, k.secret_hash, k.scopes, k.expires_at from api_keys k join tenants t on t.tenant_id = k.tenant_id
       where k.tenant_id = $1::integer and k.key_id = $2::text and k.revoked_at is null`,
      [tenantId, keyId],
    ),
  )
  if (!row) return undefined
  // whatever the row says: a platform scope counts on a key of the system tenant only
  const scopes = allScopes.filter((scope) => row.scopes.includes(scope) && (tenantId === systemTenantId || !scope.startsWith('platform:')))
  return { tenantId, tenant: row.name, suspended: row.status !== 'active', secretHash: row.secret_hash, scopes, expiresAt: row.expires_at?.getTime() ?? Number.POSITIVE_INFINITY }
}
