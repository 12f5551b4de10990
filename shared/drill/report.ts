import * as z from 'zod'
import { signerOf } from '../signature/index.ts'

const seconds = z.number().min(0)
const milliseconds = z.nullable(z.number().min(0))
/** What a drill found. `rpo_seconds`: what would be lost, from the archive's instant to the beginning of the drill; `rto_seconds`: how long it took until the copy was there and examined. */
export const DrillReport = z.strictObject({
  format: z.literal('soma-drill'),
  format_version: z.literal(1),
  drill_id: z.uuid(),
  ok: z.boolean(),
  archive: z.nullable(z.string()),
  archive_id: z.nullable(z.uuid()),
  instant: z.nullable(z.iso.datetime()),
  schema_version: z.number().int().min(1),
  engine: z.string(),
  started_at: z.iso.datetime(),
  ended_at: z.iso.datetime(),
  rpo_seconds: z.nullable(seconds),
  rto_seconds: z.nullable(seconds),
  seconds: z.strictObject({ verify: seconds, restore: seconds, examine: seconds }),
  tenants: z.number().int().min(0),
  rows: z.number().int().min(0),
  bytes: z.number().int().min(0),
  recall: z.strictObject({
    questions: z.number().int().min(0),
    same: z.number().int().min(0),
    overlap: z.number().min(0).max(1),
    p50_ms: milliseconds,
    p95_ms: milliseconds,
    live_p95_ms: milliseconds,
  }),
  checks: z.array(z.strictObject({ name: z.string(), ok: z.boolean(), detail: z.string() })),
})
export type DrillReport = z.output<typeof DrillReport>

/** What a drill found wrong, as one text; null where nothing was. */
export function faultsOf({ ok, checks }: DrillReport): string | null {
  if (ok) return null
  const failed = checks.filter((check) => !check.ok).map(({ name, detail }) => `${name}: ${detail}`)
  return failed.join(' ') || 'It did not come to its end.'
}

const signer = (signingKey: string) => signerOf(signingKey, 'soma drill reports')

/** The report as it is kept, and its signature over exactly these bytes, in base64. */
export function signReport(report: DrillReport, signingKey: string): { text: string; signature: string } {
  const text = JSON.stringify(report)
  return { text, signature: signer(signingKey).sign(text) }
}

/** Who has it can tell a report of this installation from any other: PEM. */
export const publicKeyOf = (signingKey: string): string => signer(signingKey).publicKey
