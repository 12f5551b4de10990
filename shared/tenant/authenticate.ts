import { timingSafeEqual } from 'node:crypto'
import type { Config } from '../config/index.ts'
import type { Database } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import { allScopes, type Caller, defaultTenantId, type Scope, systemTenantId, tenantScopes } from './context.ts'
import { hashSecret, parseKey } from './keys.ts'
import { defaultLimits, type Limits, limitsOf, type OwnLimits } from './limits.ts'

/** Revocation, suspension and other limits take effect everywhere within this time. */
const cacheMs = 5_000
const cacheSize = 10_000
/** So long a key that was verified is taken while the database cannot be asked. */
const offlineMs = 15 * 60_000
const loopbackNames = /^(localhost|[\w-]+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/
type Known = { tenantId: number; tenant: string; suspended: boolean; secretHash: Buffer | null; scopes: Scope[]; expiresAt: number; ownLimits: OwnLimits }

export type Authenticate = {
  (request: Request): Promise<Caller>
  /**
   * Without the database: the API token, and where that is open no credential, as the tenant "default"; a key that was verified here within the last 15 minutes. What may
   * have changed since is for assertStanding to find. @throws AppError unauthenticated, forbidden; unavailable for a key that cannot be checked
   */
  offline(request: Request): Promise<Caller>
}
type Lookup = { tenantOf(tenantId: number): Promise<Known | undefined>; keyOf(tenantId: number, keyId: string): Promise<Known | undefined> }

/** Verifies the credential of a request. @throws AppError unauthenticated, forbidden */
export function createAuthenticate(config: Config, app: Database): Authenticate {
  const cache = new Map<string, { until: number; value: Promise<Known | undefined> }>()
  // what the database said last; a credential counts only once its secret was verified
  const remembered = new Map<string, { at: number; known: Known }>()

  function cached(key: string, load: () => Promise<Known | undefined>): Promise<Known | undefined> {
    const now = Date.now()
    const hit = cache.get(key)
    if (hit && hit.until > now) return hit.value
    if (cache.size >= cacheSize) cache.clear()
    const value = load()
    cache.set(key, { until: now + cacheMs, value })
    value.then(
      (known) => known || remembered.delete(key),
      () => cache.delete(key),
    )
    return value
  }
  function remember(key: string, known: Known): void {
    if (remembered.size >= cacheSize && !remembered.has(key)) remembered.clear()
    remembered.set(key, { at: Date.now(), known })
  }

  const online: Lookup = {
    tenantOf: (tenantId) => cached(`t${tenantId}`, () => loadTenant(app, tenantId)),
    keyOf: (tenantId, keyId) => cached(`k${tenantId}-${keyId}`, () => loadKey(app, tenantId, keyId)),
  }
  const offline: Lookup = {
    async tenantOf(tenantId) {
      const unseen: Known = { tenantId, tenant: 'default', suspended: false, secretHash: null, scopes: [], expiresAt: Number.POSITIVE_INFINITY, ownLimits: {} }
      return remembered.get(`t${tenantId}`)?.known ?? unseen
    },
    async keyOf(tenantId, keyId) {
      const last = remembered.get(`k${tenantId}-${keyId}`)
      if (last && last.at > Date.now() - offlineMs) return last.known
      throw new AppError('unavailable', 'The database cannot be reached, and this credential cannot be checked without it.', { retryAfterSeconds: 2 })
    },
  }
  const defaults = defaultLimits(config)
  /** Kept by the row they come from, so that a request does not make them again. */
  const limits = new WeakMap<OwnLimits, Limits>()
  function limitsFor(own: OwnLimits): Limits {
    const made = limits.get(own) ?? limitsOf(defaults, own)
    limits.set(own, made)
    return made
  }
  const tokenHash = config.SOMA_API_TOKEN ? hashSecret(config.SOMA_API_TOKEN) : undefined

  async function identify({ tenantOf, keyOf }: Lookup, token: string | undefined, host: string): Promise<{ known: Known; actor: string; of: string }> {
    if (token === undefined) {
      if (config.AUTH_MODE !== 'open') throw unauthenticated('Send "Authorization: Bearer <key>".')
      // a web page whose name was made to resolve to 127.0.0.1 (DNS rebinding) carries its own name as host
      if (config.AUTH_OPEN_IN_CONTAINER !== '1' && !loopbackNames.test(host))
        throw unauthenticated('Without a credential this answers only to a loopback address in the Host header.')
      return { known: { ...(await mustKnow(tenantOf(defaultTenantId))), scopes: [...tenantScopes] }, actor: 'open', of: `t${defaultTenantId}` }
    }
    if (tokenHash && timingSafeEqual(hashSecret(token), tokenHash)) {
      return { known: { ...(await mustKnow(tenantOf(defaultTenantId))), scopes: [...tenantScopes] }, actor: 'api-token', of: `t${defaultTenantId}` }
    }
    const parts = config.AUTH_MODE === 'token' ? undefined : parseKey(token)
    if (!parts) throw unauthenticated('The credential is not valid.')
    const known = await keyOf(parts.tenantId, parts.keyId)
    // an unknown id costs the same comparison as a wrong secret
    const same = timingSafeEqual(hashSecret(parts.secret), known?.secretHash ?? Buffer.alloc(32))
    if (!known || !same || known.expiresAt <= Date.now()) throw unauthenticated('The credential is not valid.')
    return { known, actor: `key:${parts.keyId}`, of: `k${parts.tenantId}-${parts.keyId}` }
  }

  async function callerOf(lookup: Lookup, request: Request): Promise<Caller> {
    const { known, actor, of } = await identify(lookup, credentialOf(request), new URL(request.url).hostname)
    if (lookup === online) remember(of, known)
    const by = { tenantId: known.tenantId, actor }
    if (known.suspended) throw new AppError('forbidden', 'This tenant is suspended.', { denied: { reason: 'suspended', by } })
    const named = request.headers.get('x-tenant-id')
    if (named !== null && named !== known.tenant) throw new AppError('forbidden', 'X-Tenant-ID is not the tenant of this credential.', { denied: { reason: 'other tenant', by } })
    return { tenantId: known.tenantId, tenant: known.tenant, actor, scopes: new Set(known.scopes), limits: limitsFor(known.ownLimits) }
  }
  return Object.assign((request: Request) => callerOf(online, request), { offline: (request: Request) => callerOf(offline, request) })
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
    tx.query<{ name: string; status: string; limits: OwnLimits }>('select name, status, limits from tenants where tenant_id = $1::integer', [tenantId]),
  )
  return row && { tenantId, tenant: row.name, suspended: row.status !== 'active', secretHash: null, scopes: [], expiresAt: Number.POSITIVE_INFINITY, ownLimits: row.limits }
}

/** Looked up inside the tenant that the key names, so that not even this read crosses tenants. */
async function loadKey(app: Database, tenantId: number, keyId: string): Promise<Known | undefined> {
  const [row] = await app.transaction({ role: 'soma_app', tenantId, readOnly: true }, (tx) =>
    tx.query<{ name: string; status: string; limits: OwnLimits; secret_hash: Buffer; scopes: string[]; expires_at: Date | null }>(
      `select t.name, t.status, t.limits, k.secret_hash, k.scopes, k.expires_at from api_keys k join tenants t on t.tenant_id = k.tenant_id
       where k.tenant_id = $1::integer and k.key_id = $2::text and k.revoked_at is null`,
      [tenantId, keyId],
    ),
  )
  if (!row) return undefined
  // whatever the row says: a platform scope counts on a key of the system tenant only
  const scopes = allScopes.filter((scope) => row.scopes.includes(scope) && (tenantId === systemTenantId || !scope.startsWith('platform:')))
  const expiresAt = row.expires_at?.getTime() ?? Number.POSITIVE_INFINITY
  return { tenantId, tenant: row.name, suspended: row.status !== 'active', secretHash: row.secret_hash, scopes, expiresAt, ownLimits: row.limits }
}
