import * as z from 'zod'
import { allScopes, type KeyOut, OwnLimits, type TenantOut } from '../../tenant/index.ts'
import { namedAnswer, pageOf, Time } from './components.ts'

export const Key = namedAnswer(
  'Key',
  z.strictObject({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(allScopes)),
    created_at: Time,
    expires_at: Time.nullable(),
    revoked_at: Time.nullable(),
    key: z.string().optional().meta({ description: 'the secret, in the answer that made it only' }),
  }),
) satisfies z.ZodType<KeyOut>
export const KeyPage = namedAnswer('KeyPage', pageOf(Key))

const fields = { name: z.string(), status: z.enum(['active', 'suspended']), created_at: Time, limits: OwnLimits }
export const Tenant = namedAnswer('Tenant', z.strictObject(fields)) satisfies z.ZodType<TenantOut>
export const TenantPage = namedAnswer('TenantPage', pageOf(Tenant))
export const CreatedTenant = namedAnswer('CreatedTenant', z.strictObject({ ...fields, admin_key: Key })) satisfies z.ZodType<TenantOut & { admin_key: KeyOut }>
