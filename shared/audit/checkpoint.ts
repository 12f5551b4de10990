import * as z from 'zod'
import type { Sql } from '../db/index.ts'
import { isSigned, type Signer } from '../signature/index.ts'

/** What SIGNING_KEY is turned into a key for. */
export const purpose = 'soma audit checkpoints'
const hash = z.string().regex(/^[0-9a-f]{64}$/)
/** What a checkpoint says: up to `position` the tenant's chain was this, at that instant, in this generation of the installation. */
export const Statement = z.strictObject({
  format: z.literal('soma-audit-checkpoint'),
  format_version: z.literal(1),
  installation: z.uuid(),
  generation: z.int().min(1),
  tenant: z.string(),
  tenant_id: z.int().min(0),
  position: z.int().min(1),
  hash,
  at: z.iso.datetime(),
  key_id: z.string().regex(/^[0-9a-f]{16}$/),
})
export type Statement = z.output<typeof Statement>
/** A statement to the letter as it was signed, with its signature in base64 and the key in PEM; a line of a file that somebody keeps elsewhere. */
export const Checkpoint = z.strictObject({ statement: z.string(), signature: z.string(), public_key: z.string() })
export type Checkpoint = z.output<typeof Checkpoint>
export type Head = { position: number; hash: string }

/** Signs where the chain of the transaction's tenant ends. `at`: RFC 3339. */
export async function writeCheckpoint(tx: Sql, signer: Signer, tenantId: number, { position, hash }: Head, at: string): Promise<void> {
  const [facts] = await tx.query<{ installation_id: string; generation: number; name: string }>(
    'select i.installation_id, i.generation, t.name from installation i cross join tenants t where t.tenant_id = $1::integer',
    [tenantId],
  )
  if (!facts) throw new Error(`The tenant ${tenantId} is gone.`)
  const statement: Statement = {
    format: 'soma-audit-checkpoint',
    format_version: 1,
    installation: facts.installation_id,
    generation: facts.generation,
    tenant: facts.name,
    tenant_id: tenantId,
    position,
    hash,
    at,
    key_id: signer.keyId,
  }
  const text = JSON.stringify(statement)
  await tx.query(
    `insert into audit_checkpoints (tenant_id, at, position, statement, signature, public_key) values ($1::integer, $2::timestamptz, $3::bigint, $4::text, $5::text, $6::text)`,
    [tenantId, at, position, text, signer.sign(text), signer.publicKey],
  )
}

/** What a checkpoint says, if its signature holds by one of these keys (PEM by key id); the id of the key that nobody has here; or that it is not what was signed. */
export type Opened = { statement: Statement } | { unknownKey: string } | { broken: true }
export function openCheckpoint({ statement: text, signature }: Pick<Checkpoint, 'statement' | 'signature'>, keys: ReadonlyMap<string, string>): Opened {
  const statement = readStatement(text)
  if (!statement) return { broken: true }
  const key = keys.get(statement.key_id)
  if (key === undefined) return { unknownKey: statement.key_id }
  return isSigned(text, signature, key) ? { statement } : { broken: true }
}

/** What it says, whoever signed it. */
export function readStatement(text: string): Statement | undefined {
  try {
    return Statement.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
