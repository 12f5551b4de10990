import { createHash, randomBytes, randomInt } from 'node:crypto'
import * as z from 'zod'
import type { Sql } from '../db/index.ts'
import { AppError, invalidField } from '../problem/index.ts'
import { allScopes, type Ctx, memoryScopes, requireScope, type Scope, systemTenantId } from './context.ts'

export const KeyIn = z.strictObject({
  name: z.string().max(120).default(''),
  scopes: z
    .array(z.enum(allScopes))
    .min(1)
    .max(allScopes.length)
    .default([...memoryScopes]),
  expires_at: z.iso.datetime({ offset: true }).optional(),
})
export type KeyOut = { id: string; name: string; scopes: Scope[]; created_at: string; expires_at: string | null; revoked_at: string | null; key?: string }

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
export async function insertKey(tx: Sql, tenantId: number, stage: string, input: z.output<typeof KeyIn>): Promise<KeyOut> {
  const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz'
  const keyId = Array.from({ length: 12 }, () => alphabet[randomInt(36)]).join('')
  const secret = randomBytes(32).toString('hex')
  const expires = input.expires_at ? new Date(input.expires_at).toISOString() : null
  const [row] = await tx.query<{ created_at: Date }>(
    `insert into api_keys (tenant_id, key_id, name, secret_hash, scopes, expires_at)
     values ($1::integer, $2::text, $3::text, $4::bytea, $5::text[], $6::timestamptz) returning created_at`,
    [tenantId, keyId, input.name, hashSecret(secret), input.scopes, expires],
  )
  return {
    id: keyId,
    name: input.name,
    scopes: input.scopes,
    created_at: (row as { created_at: Date }).created_at.toISOString(),
    expires_at: expires,
    revoked_at: null,
    key: `soma_${stage}_${tenantId.toString(36)}-${keyId}_${secret}`,
  }
}

/** Creates a key of the caller's own tenant; its text is in this answer only. @throws AppError forbidden, invalid */
export async function createKey(ctx: Ctx, stage: string, body: unknown): Promise<KeyOut> {
  requireScope(ctx, 'admin')
  const input = KeyIn.parse(body)
  const beyond = input.scopes.filter((scope) => (scope.startsWith('platform:') ? ctx.tenantId !== systemTenantId || !ctx.scopes.has(scope) : !ctx.scopes.has(scope)))
  if (beyond.length) throw new AppError('forbidden', `A key cannot be given what its maker has not: ${beyond.join(', ')}.`)
  if (input.expires_at && Date.parse(input.expires_at) <= Date.now()) throw invalidField('/expires_at', 'must lie in the future')
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    const key = await insertKey(tx, ctx.tenantId, stage, input)
    await appendAudit(tx, ctx, 'key.create', key.id)
    return key
  })
}

/** The tenant's keys, newest first, without their secrets. */
export async function listKeys(ctx: Ctx): Promise<{ items: KeyOut[]; next_cursor: null }> {
  requireScope(ctx, 'admin')
  const rows = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, (tx) =>
    tx.query<{ key_id: string; name: string; scopes: Scope[]; created_at: Date; expires_at: Date | null; revoked_at: Date | null }>(
      'select key_id, name, scopes, created_at, expires_at, revoked_at from api_keys where tenant_id = $1::integer order by created_at desc, key_id limit 1000',
      [ctx.tenantId],
    ),
  )
  const items = rows.map((row) => ({
    id: row.key_id,
    name: row.name,
    scopes: row.scopes,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
  }))
  return { items, next_cursor: null }
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

export async function appendAudit(
  tx: Sql,
  ctx: Pick<Ctx, 'tenantId' | 'actor' | 'requestId'>,
  action: string,
  target: string | null,
  detail?: Record<string, unknown>,
): Promise<void> {
  await tx.query(
    'insert into audit_log (tenant_id, at, actor, action, target, request_id, detail) values ($1::integer, now(), $2::text, $3::text, $4::text, $5::text, $6::jsonb)',
    [ctx.tenantId, ctx.actor, action, target, ctx.requestId, detail === undefined ? null : JSON.stringify(detail)],
  )
}
