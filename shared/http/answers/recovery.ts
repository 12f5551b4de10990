import * as z from 'zod'
import type { RunDetails, RunOut } from '../../recovery/index.ts'
import { namedAnswer, pageOf, Time } from './components.ts'

const run = {
  id: z.uuid(),
  kind: z.enum(['backup', 'drill']),
  state: z.enum(['requested', 'running', 'succeeded', 'failed']),
  archive: z.string().nullable().meta({ description: 'the name of the archive that was written or restored' }),
  instant: Time.nullable().meta({ description: 'what the archive holds is as of then' }),
  requested_by: z.string(),
  requested_at: Time,
  started_at: Time.nullable(),
  ended_at: Time.nullable(),
  problem: z.string().nullable().meta({ description: 'why it failed' }),
  report: z.record(z.string(), z.unknown()).nullable().meta({ description: 'what came of it: rows and bytes of a backup; the checks of a drill, its rpo_seconds and rto_seconds' }),
}
const Run = namedAnswer('RecoveryRun', z.strictObject(run)) satisfies z.ZodType<RunOut>
const signed = {
  signed_report: z.string().nullable().meta({ description: 'the report of a drill, to the letter as it was signed' }),
  signature: z.string().nullable().meta({ description: 'Ed25519 over the bytes of signed_report, in base64' }),
  public_key: z.string().nullable().meta({ description: 'PEM of what verifies it: the same for every drill under one SIGNING_KEY' }),
}
export const RunAsked = Run
export const RunPage = namedAnswer('RecoveryRunPage', pageOf(Run))
export const RunShown = namedAnswer('RecoveryRunDetails', z.strictObject({ ...run, ...signed })) satisfies z.ZodType<RunDetails>
