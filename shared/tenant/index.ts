export { type Authenticate, createAuthenticate } from './authenticate.ts'
export { allScopes, type Caller, type Ctx, defaultTenantId, memoryScopes, requireScope, type Scope, systemTenantId } from './context.ts'
export { appendAudit, createKey, insertKey, KeyIn, type KeyOut, listKeys, revokeKey } from './keys.ts'
export { createTenant, listTenants, setTenantStatus, TenantIn, type TenantOut, TenantPatch } from './tenants.ts'
