import { createHash, randomBytes, randomInt } from 'node:crypto'
import * as z from 'zod'
import type { Sql } from '../db/index.ts'
import { AppError, invalidField } from '../problem/index.ts'
import { appendAudit } from './audit.ts'
import { allScopes, type Ctx, memoryScopes, requireScope, type Scope, systemTenantId } from './context.ts'
import { KeyReach } from './reach.ts'

export const KeyIn = z
  .strictObject({
    name: z.string().max(120).default(''),
    scopes: z
      .array(z.enum(allScopes))
      .min(1)
      .max(allScopes.length)
      .default([...memoryScopes]),
    expires_at: z.iso.datetime({ offset: true }).optional(),
    reach: KeyReach.optional().meta({ description: 'the namespaces and scope ids that the key may name; absent: all of its tenant' }),
  })
  .refine(({ scopes, reach }) => reach === undefined || scopes.every((scope) => scope.startsWith('memory:')), {
    path: ['scopes'],
    error: 'are of memories alone where the reach is limited: the others are of the whole tenant',
  })
/** `last_used_at` is right to the minute; `rotated_from` is the key that this one took over from. */
export type KeyOut = {
  id: string
  name: string
  scopes: Scope[]
  reach: KeyReach | null
  created_at: string
  expires_at: string | null
  revoked_at: string | null
  last_used_at: string | null
  rotated_from: string | null
  key?: string
}
export type KeyRow = {
  key_id: string
  name: string
  scopes: Scope[]
  reach: KeyReach | null
  created_at: Date
  expires_at: Date | null
  revoked_at: Date | null
  last_used_at: Date | null
  rotated_from: string | null
}
export const keyColumns = 'key_id, name, scopes, reach, created_at, expires_at, revoked_at, last_used_at, rotated_from'
const outOf = ({ key_id: id, name, scopes, reach, rotated_from, ...times }: KeyRow): KeyOut => ({
  id,
  name,
  scopes,
  reach,
  created_at: times.created_at.toISOString(),
  expires_at: times.expires_at?.toISOString() ?? null,
  revoked_at: times.revoked_at?.toISOString() ?? null,
  last_used_at: times.last_used_at?.toISOString() ?? null,
  rotated_from,
})

export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

const keyForm = /^soma_[a-z]+_([0-9a-z]{1,7})-([0-9a-z]{12})_([0-9a-f]{64})$/
/** The parts of `soma_<stage>_<tenant>-<key id>_<secret>`, or undefined when it is no such key. */
export function parseKey(token: string): { tenantId: number; keyId: string; secret: string } | undefined {
  const match = keyForm.exec(token)
  if (!match) return undefined
  const tenantId = Number.parseInt(match[1] as string, 36)
  return tenantId <= 0x7fffffff ? { tenantId, keyId: match[2] as string, secret: match[3] as string } : undefined
}

/** Writes a key in the transaction's tenant and gives back its only showing. */
export async function insertKey(tx: Sql, tenantId: number, stage: string, input: z.output<typeof KeyIn> & { rotated_from?: string }): Promise<KeyOut> {
  const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz'
  const keyId = Array.from({ length: 12 }, () => alphabet[randomInt(36)]).join('')
  const secret = randomBytes(32).toString('hex')
  const expires = input.expires_at ? new Date(input.expires_at).toISOString() : null
  const [row] = await tx.query<KeyRow>(
    `insert into api_keys (tenant_id, key_id, name, secret_hash, scopes, expires_at, reach, rotated_from)
     values ($1::integer, $2::text, $3::text, $4::bytea, $5::text[], $6::timestamptz, $7::jsonb, $8::text) returning ${keyColumns}`,
    [tenantId, keyId, input.name, hashSecret(secret), input.scopes, expires, input.reach ? JSON.stringify(input.reach) : null, input.rotated_from ?? null],
  )
  return { ...outOf(row as KeyRow), key: `soma_${stage}_${tenantId.toString(36)}-${keyId}_${secret}` }
}

/** Creates a key of the caller's own tenant; its text is in this answer only. @throws AppError forbidden, invalid */
export async function createKey(ctx: Ctx, stage: string, body: unknown): Promise<KeyOut> {
  requireScope(ctx, 'admin')
  const input = KeyIn.parse(body)
  assertMayGive(ctx, input.scopes)
  notInThePast(input.expires_at)
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    const key = await insertKey(tx, ctx.tenantId, stage, input)
    await appendAudit(tx, ctx, 'key.create', key.id)
    return key
  })
}

/** Whoever makes a key, or a new one of another's, gets to see its secret. @throws AppError forbidden */
export function assertMayGive(ctx: Ctx, scopes: readonly Scope[]): void {
  const beyond = scopes.filter((scope) => (scope.startsWith('platform:') ? ctx.tenantId !== systemTenantId || !ctx.scopes.has(scope) : !ctx.scopes.has(scope)))
  if (beyond.length) throw new AppError('forbidden', `A key cannot be given what its maker has not: ${beyond.join(', ')}.`)
}

/** @throws AppError invalid */
export function notInThePast(expiresAt: string | undefined): void {
  if (expiresAt && Date.parse(expiresAt) <= Date.now()) throw invalidField('/expires_at', 'must lie in the future')
}

/** The tenant's keys, newest first, without their secrets. */
export async function listKeys(ctx: Ctx): Promise<{ items: KeyOut[]; next_cursor: null }> {
  requireScope(ctx, 'admin')
  const rows = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, (tx) =>
    tx.query<KeyRow>(`select ${keyColumns} from api_keys where tenant_id = $1::integer order by created_at desc, key_id limit 1000`, [ctx.tenantId]),
  )
  return { items: rows.map(outOf), next_cursor: null }
}

/** Revokes a key; every process stops accepting it within 5 s. @throws AppError not_found */
export async function revokeKey(ctx: Ctx, keyId: string): Promise<void> {
  requireScope(ctx, 'admin')
  await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    const rows = await tx.query('update api_keys set revoked_at = now() where tenant_id = $1::integer and key_id = $2::text and revoked_at is null returning key_id', [
      ctx.tenantId,
      keyId,
    ])
    if (!rows.length) throw new AppError('not_found', 'This tenant has no such key that is still valid.')
    await appendAudit(tx, ctx, 'key.revoke', keyId)
  })
}
