import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject, sign, verify } from 'node:crypto'
import * as z from 'zod'

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

/** An Ed25519 key out of SIGNING_KEY: HKDF-SHA-256 makes its seed, so that nobody has another secret to keep, and who only verifies needs none. */
function keyOf(signingKey: string): KeyObject {
  const seed = Buffer.from(hkdfSync('sha256', signingKey, '', 'soma drill reports', 32))
  // PKCS #8 of an Ed25519 key (RFC 8410): all but the seed is fixed
  return createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' })
}

/** The report as it is kept, and its signature over exactly these bytes, in base64. */
export function signReport(report: DrillReport, signingKey: string): { text: string; signature: string } {
  const text = JSON.stringify(report)
  return { text, signature: sign(null, Buffer.from(text), keyOf(signingKey)).toString('base64') }
}

export const isSigned = (text: string, signature: string, publicKey: string): boolean =>
  verify(null, Buffer.from(text), createPublicKey(publicKey), Buffer.from(signature, 'base64'))

/** Who has it can tell a report of this installation from any other: PEM. */
export const publicKeyOf = (signingKey: string): string => createPublicKey(keyOf(signingKey)).export({ format: 'pem', type: 'spki' }).toString()
