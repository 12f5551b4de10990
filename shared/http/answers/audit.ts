import * as z from 'zod'
import type { AuditEntry } from '../../audit/index.ts'
import { namedAnswer, pageOf, Time } from './components.ts'

const Text = z.string().nullable()
const Entry = namedAnswer(
  'AuditEntry',
  z.strictObject({
    seq: z.string(),
    tenant: z.string(),
    at: Time,
    actor: z.string().meta({ description: 'key:<id>, api-token, open, cli, or a job' }),
    action: z.string(),
    target: Text.meta({ description: 'the id or name that it was done to, or the operation that was denied' }),
    request_id: Text,
    detail: z.record(z.string(), z.unknown()).nullable(),
    position: z.int().min(1).nullable().meta({ description: 'its place in the chain; null until it is sealed' }),
    hash: Text.meta({ description: 'SHA-256 of the row and the hash before it, in hexadecimal digits' }),
  }),
) satisfies z.ZodType<AuditEntry>
export const AuditPage = namedAnswer('AuditPage', pageOf(Entry))
