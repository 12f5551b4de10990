import type { Database, Role } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import type { Caller, Scope } from './context.ts'
import type { OwnLimits } from './limits.ts'

/**
 * What could not be looked up when a credential was accepted: its tenant is active, and a key is not revoked, had not expired by then, and has the scope.
 * Answers the tenant's own limits. @throws AppError forbidden
 */
export async function assertStanding(db: Database, { tenantId, actor }: Pick<Caller, 'tenantId' | 'actor'>, at: string, scope: Scope, role: Role = 'soma_app'): Promise<OwnLimits> {
  const key = actor.startsWith('key:') ? actor.slice('key:'.length) : null
  const [row] = await db.statement<{ active: boolean; stands: boolean; limits: OwnLimits }>(
    { role, tenantId, readOnly: true },
    `select t.status = 'active' as active, t.limits, $2::text is null or exists (select from api_keys k where k.tenant_id = $1::integer and k.key_id = $2::text and k.revoked_at is null
       and (k.expires_at is null or k.expires_at > $3::timestamptz) and $4::text = any (k.scopes)) as stands
     from tenants t where t.tenant_id = $1::integer`,
    [tenantId, key, at, scope],
  )
  if (!row?.active) throw new AppError('forbidden', 'This tenant is suspended, or gone.')
  if (!row.stands) throw new AppError('forbidden', `The key that it was sent with was revoked, had expired, or lacks the scope ${scope}.`)
  return row.limits
}
