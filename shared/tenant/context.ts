import type { Database } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import type { Limits } from './limits.ts'
import type { KeyReach } from './reach.ts'

export const memoryScopes = ['memory:read', 'memory:write', 'memory:delete', 'memory:history'] as const
/** All that the key of a tenant can have. */
export const tenantScopes = [...memoryScopes, 'admin', 'outbox:read', 'outbox:write'] as const
/** `platform:*` exists only on keys of the system tenant and is the only way across tenants. */
export const allScopes = [...tenantScopes, 'platform:tenants', 'platform:outbox', 'platform:backups', 'platform:drills', 'platform:audit'] as const
export type Scope = (typeof allScopes)[number]

export const systemTenantId = 0
export const defaultTenantId = 1

/** Who calls, as the verified credential says; never from a body. `reach` is the part of the tenant that a limited key may name; absent: all of it. */
export type Caller = { tenantId: number; tenant: string; actor: string; scopes: ReadonlySet<Scope>; limits: Limits; reach?: KeyReach }

/** What every verb is given: the caller, the databases by role, and the request it serves. */
export type Ctx = Caller & { app: Database; worker: Database; requestId: string; traceparent?: string | undefined; signingKey: string; signal?: AbortSignal }

/** @throws AppError forbidden */
export function requireScope(ctx: Pick<Caller, 'scopes'>, scope: Scope): void {
  if (!ctx.scopes.has(scope)) throw new AppError('forbidden', `This needs a credential with the scope ${scope}.`, { denied: { reason: `scope ${scope}` } })
}
