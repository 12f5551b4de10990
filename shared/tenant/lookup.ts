import type { Database } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import { allScopes, type Scope, systemTenantId } from './context.ts'
import type { OwnLimits } from './limits.ts'
import { KeyReach } from './reach.ts'

/** Revocation, suspension and other limits take effect everywhere within this time. */
const cacheMs = 5_000
const cacheSize = 10_000
/** So long a key that was verified, or the tenant of a token, is taken while the database cannot be asked. */
const offlineMs = 15 * 60_000

/** What the database says of a credential: of a tenant as such, or of one of its keys. */
export type Known = {
  tenantId: number
  tenant: string
  suspended: boolean
  secretHash: Buffer | null
  scopes: Scope[]
  expiresAt: number
  ownLimits: OwnLimits
  reach?: KeyReach
}
/** Undefined: there is none. */
export type Lookup = {
  tenantOf(tenantId: number): Promise<Known | undefined>
  tenantNamed(name: string): Promise<Known | undefined>
  keyOf(tenantId: number, keyId: string): Promise<Known | undefined>
}
/** `of` names what was looked up. */
export const lookedUp = {
  tenant: (tenantId: number): string => `t${tenantId}`,
  name: (name: string): string => `n${name}`,
  key: (tenantId: number, keyId: string): string => `k${tenantId}-${keyId}`,
}

/** The database, asked again after 5 s; and what it said last of a credential that was verified, for when it is away. */
export function createLookups(app: Database): { online: Lookup; offline: Lookup; remember(of: string, known: Known): void } {
  const cache = new Map<string, { until: number; value: Promise<Known | undefined> }>()
  const remembered = new Map<string, { at: number; known: Known }>()

  function cached(of: string, load: () => Promise<Known | undefined>): Promise<Known | undefined> {
    const now = Date.now()
    const hit = cache.get(of)
    if (hit && hit.until > now) return hit.value
    if (cache.size >= cacheSize) cache.clear()
    const value = load()
    cache.set(of, { until: now + cacheMs, value })
    value.then(
      (known) => known || remembered.delete(of),
      () => cache.delete(of),
    )
    return value
  }
  function lately(of: string): Known {
    const last = remembered.get(of)
    if (last && last.at > Date.now() - offlineMs) return last.known
    throw new AppError('unavailable', 'The database cannot be reached, and this credential cannot be checked without it.', { retryAfterSeconds: 2 })
  }

  return {
    online: {
      tenantOf: (tenantId) => cached(lookedUp.tenant(tenantId), () => loadTenant(app, tenantId)),
      tenantNamed: (name) => cached(lookedUp.name(name), () => loadTenantNamed(app, name)),
      keyOf: (tenantId, keyId) => cached(lookedUp.key(tenantId, keyId), () => loadKey(app, tenantId, keyId)),
    },
    offline: {
      tenantOf: async (tenantId) => remembered.get(lookedUp.tenant(tenantId))?.known ?? knownOf({ tenant_id: tenantId, name: 'default', status: 'active', limits: {} }),
      tenantNamed: async (name) => lately(lookedUp.name(name)),
      keyOf: async (tenantId, keyId) => lately(lookedUp.key(tenantId, keyId)),
    },
    remember(of, known) {
      if (remembered.size >= cacheSize && !remembered.has(of)) remembered.clear()
      remembered.set(of, { at: Date.now(), known })
    },
  }
}

type TenantRow = { tenant_id: number; name: string; status: string; limits: OwnLimits }
const knownOf = (row: TenantRow): Known => ({
  tenantId: row.tenant_id,
  tenant: row.name,
  suspended: row.status !== 'active',
  secretHash: null,
  scopes: [],
  expiresAt: Number.POSITIVE_INFINITY,
  ownLimits: row.limits,
})
const tenantColumns = 'tenant_id, name, status, limits'

async function loadTenant(app: Database, tenantId: number): Promise<Known | undefined> {
  const [row] = await app.statement<TenantRow>({ role: 'soma_app', tenantId, readOnly: true }, `select ${tenantColumns} from tenants where tenant_id = $1::integer`, [tenantId])
  return row && knownOf(row)
}

/** By the one policy that shows a tenant to whoever names it (migration 0030): still no other is seen. */
async function loadTenantNamed(app: Database, name: string): Promise<Known | undefined> {
  const [row] = await app.transaction({ role: 'soma_app', tenantId: null, readOnly: true }, async (tx) => {
    await tx.query(`select set_config('soma.tenant_name', $1::text, true)`, [name])
    return tx.query<TenantRow>(`select ${tenantColumns} from tenants where name = $1::text`, [name])
  })
  return row && knownOf(row)
}

/** Looked up inside the tenant that the key names, so that not even this read crosses tenants. */
async function loadKey(app: Database, tenantId: number, keyId: string): Promise<Known | undefined> {
  const [row] = await app.statement<TenantRow & { secret_hash: Buffer; scopes: string[]; expires_at: Date | null; reach: unknown }>(
    { role: 'soma_app', tenantId, readOnly: true },
    `select t.tenant_id, t.name, t.status, t.limits, k.secret_hash, k.scopes, k.expires_at, k.reach from api_keys k join tenants t on t.tenant_id = k.tenant_id
     where k.tenant_id = $1::integer and k.key_id = $2::text and k.revoked_at is null`,
    [tenantId, keyId],
  )
  if (!row) return undefined
  const expiresAt = row.expires_at?.getTime() ?? Number.POSITIVE_INFINITY
  const reach = row.reach === null ? {} : { reach: KeyReach.parse(row.reach) }
  return { ...knownOf(row), secretHash: row.secret_hash, scopes: scopesWithin(tenantId, new Set(row.scopes)), expiresAt, ...reach }
}

/** Whatever a row or a token says: a platform scope counts for the system tenant only. */
export function scopesWithin(tenantId: number, named: ReadonlySet<string>): Scope[] {
  return allScopes.filter((scope) => named.has(scope) && (tenantId === systemTenantId || !scope.startsWith('platform:')))
}
