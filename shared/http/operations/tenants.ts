import * as z from 'zod'
import { KeyIn, KeyRotation, TenantIn, TenantPatch } from '../../tenant/index.ts'
import { namedBody } from '../answers/components.ts'
import { CreatedTenant, Key, KeyPage, Tenant, TenantPage } from '../answers/tenant.ts'
import type { Operation } from './operation.ts'
import { cursor } from './parameters.ts'

/** Tenants and their keys. */
export const tenants: readonly Operation[] = [
  {
    id: 'createTenant',
    method: 'POST',
    path: '/v1/tenants',
    summary: 'Create a tenant and its first admin key',
    description: 'The key is shown in this answer only.',
    scope: 'platform:tenants',
    body: namedBody('TenantIn', TenantIn),
    success: 201,
    answer: CreatedTenant,
    problems: ['conflict'],
    example: { name: 'acme' },
  },
  { id: 'listTenants', method: 'GET', path: '/v1/tenants', summary: 'List tenants by name', scope: 'platform:tenants', query: cursor, success: 200, answer: TenantPage },
  {
    id: 'changeTenant',
    method: 'PATCH',
    path: '/v1/tenants/:name',
    summary: 'Suspend or resume a tenant, or change its limits',
    description:
      'The credentials of a suspended tenant are refused everywhere within 5 seconds. Limits are merged: what is not named stays, null goes back to the default of the configuration, "unlimited" is no limit. Rates and the batch size hold everywhere within 5 seconds, the quotas at once.',
    scope: 'platform:tenants',
    params: { name: { description: 'the name of a tenant', schema: TenantIn.shape.name } },
    body: namedBody('TenantPatch', TenantPatch),
    success: 200,
    answer: Tenant,
    example: { limits: { request_rate: '100/s', memories: 1_000_000, daily_writes: null } },
  },
  {
    id: 'createKey',
    method: 'POST',
    path: '/v1/keys',
    summary: "Create a key of one's own tenant; it is shown once",
    description:
      'A key cannot be given what its maker has not. With a reach it is limited to namespaces and scope ids, which every call then has to name: what goes beyond is a 403, and so is what is of the whole tenant, such as usage, imports and keys.',
    scope: 'admin',
    body: namedBody('KeyIn', KeyIn),
    success: 201,
    answer: Key,
    example: { name: 'reader', scopes: ['memory:read'] },
  },
  { id: 'listKeys', method: 'GET', path: '/v1/keys', summary: "List the keys of one's own tenant", scope: 'admin', success: 200, answer: KeyPage },
  {
    id: 'revokeKey',
    method: 'DELETE',
    path: '/v1/keys/:id',
    summary: 'Revoke a key',
    description: 'It is refused everywhere within 5 seconds.',
    scope: 'admin',
    params: { id: { description: 'the id of a key', schema: z.string().regex(/^[0-9a-z]{12}$/) } },
    success: 204,
  },
  {
    id: 'rotateKey',
    method: 'POST',
    path: '/v1/keys/:id/rotate',
    summary: 'Make a new key that takes over from another; it is shown once',
    description:
      'It has the same scopes and the same reach under an id of its own. The old one goes on for the overlap, and no longer than it was to last anyway. A key that may do what its rotator may not is a 403.',
    scope: 'admin',
    params: { id: { description: 'the id of a key', schema: z.string().regex(/^[0-9a-z]{12}$/) } },
    body: namedBody('KeyRotation', KeyRotation),
    success: 201,
    answer: Key,
    problems: ['not_found'],
    example: { overlap_seconds: 3600 },
  },
]
