import * as z from 'zod'
import { allScopes, type KeyOut, KeyReach, OwnLimits, type TenantOut } from '../../tenant/index.ts'
import { namedAnswer, pageOf, Time } from './components.ts'

export const Key = namedAnswer(
  'Key',
  z.strictObject({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(allScopes)),
    reach: KeyReach.nullable().meta({ description: 'the part of its tenant that it is limited to; null: all of it' }),
    created_at: Time,
    expires_at: Time.nullable(),
    revoked_at: Time.nullable(),
    last_used_at: Time.nullable().meta({ description: 'to the minute' }),
    rotated_from: z.string().nullable().meta({ description: 'the id of the key that this one took over from' }),
    key: z.string().optional().meta({ description: 'the secret, in the answer that made it only' }),
  }),
) satisfies z.ZodType<KeyOut>
export const KeyPage = namedAnswer('KeyPage', pageOf(Key))

const fields = { name: z.string(), status: z.enum(['active', 'suspended']), created_at: Time, limits: OwnLimits }
export const Tenant = namedAnswer('Tenant', z.strictObject(fields)) satisfies z.ZodType<TenantOut>
export const TenantPage = namedAnswer('TenantPage', pageOf(Tenant))
export const CreatedTenant = namedAnswer('CreatedTenant', z.strictObject({ ...fields, admin_key: Key })) satisfies z.ZodType<TenantOut & { admin_key: KeyOut }>
