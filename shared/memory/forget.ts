import * as z from 'zod'
import type { Sql } from '../db/index.ts'
import { FilterIn, params } from '../filter/index.ts'
import { createOperation } from '../operation/index.ts'
import { AppError, invalidField } from '../problem/index.ts'
import { assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import { readCursor, signCursor } from './cursor.ts'
import { conditionsOf, placeOf, type Selection, selectionOf } from './list.ts'
import { Namespace, scopeIds, scopeNames } from './schema.ts'
import { type Call, callOf, finishedCall, recordCall, requestHash } from './write.ts'

export const ForgetIn = z
  .strictObject({
    namespace: Namespace.default('default'),
    ...scopeIds,
    filters: FilterIn.optional(),
    dry_run: z.boolean().optional(),
    confirm: z.string().min(1).max(1000).optional(),
  })
  .refine((input) => input.filters !== undefined || scopeNames.some((name) => input[name] !== undefined), {
    path: ['filters'],
    error: 'say what to forget: filters, or a scope id such as user_id',
  })
  .refine((input) => input.dry_run !== false || input.confirm !== undefined, { path: ['confirm'], error: 'is missing: make a dry run, and send the confirm of its answer' })
  .refine((input) => input.dry_run !== true || input.confirm === undefined, { path: ['dry_run'], error: 'cannot be true where confirm is given' })

/** Up to this many are forgotten before the answer; more become an operation. */
export const forgetAtOnce = 5_000
/** An operation holds the key and version of each, so it stays of a size that can be handled. */
export const forgetAtMost = 500_000

export type Forgotten = { matched: number; confirm: string } | { deleted: number } | { operation: string }
type Matched = { count: number; hash: string; keys: string[] | null; versions: number[] | null }

/**
 * Forgets what a filter matches: first a dry run that counts, then the same call with its `confirm`, which holds for exactly those memories in those
 * versions. All open memories of the scope match, superseded and not yet valid ones included. More than `forgetAtOnce` are forgotten by an operation.
 * @throws AppError forbidden, invalid, scope_conflict; conflict when the match is another one by now
 */
export async function forgetMatching(ctx: Ctx, body: unknown, idempotencyKey?: string): Promise<{ status: 200 | 202; replayed: boolean; body: Forgotten }> {
  requireScope(ctx, 'memory:delete')
  const { dry_run: _dryRun, confirm, ...query } = ForgetIn.parse(body)
  const selection = selectionOf(query)
  assertWithin(ctx, placeOf(selection))
  const access = { role: 'soma_app', tenantId: ctx.tenantId } as const
  if (confirm === undefined) {
    const { count, hash } = await ctx.app.transaction({ ...access, readOnly: true }, (tx) => match(tx, ctx, selection, 'count'))
    if (count > forgetAtMost) throw tooMany(count)
    return { status: 200, replayed: false, body: { matched: count, confirm: signCursor(ctx, ['forget', query], [count, hash]) } }
  }
  const [, confirmedHash] = readCursor(ctx, ['forget', query], confirm, () => invalidField('/confirm', 'is not the confirm of a dry run of this very query')) as [number, string]
  const call: Call = { key: idempotencyKey, hash: requestHash('forget', body) }
  return ctx.app.transaction(access, async (tx) => {
    const finished = await finishedCall(tx, ctx, call)
    if (finished) return { status: finished.status as 200 | 202, replayed: true, body: finished.result as Forgotten }
    await tx.query('select mark_change($1::integer)', [ctx.tenantId])
    const { count, hash, keys, versions } = await match(tx, ctx, selection, 'lock')
    if (hash !== confirmedHash) throw new AppError('conflict', `The match has changed since the dry run: ${count} memories match now. Make another dry run.`)
    if (count > forgetAtOnce) {
      const operation = await createOperation(tx, ctx, 'forget', { keys, versions })
      await recordCall(tx, ctx, call, 202, { operation })
      return { status: 202, replayed: false, body: { operation } }
    }
    if (count > 0) await tx.query('select forget_keys($1::integer, $2::bigint[], $3::jsonb)', [ctx.tenantId, keys, callOf(ctx, {}, { action: 'memory.forget' })])
    await recordCall(tx, ctx, call, 200, { deleted: count })
    return { status: 200, replayed: false, body: { deleted: count } }
  })
}

/** How many match, a hash of their ids and versions, and with `lock` their keys; locked in one order, so that two such calls cannot wait for each other. */
async function match(tx: Sql, ctx: Ctx, selection: Selection, mode: 'count' | 'lock'): Promise<Matched> {
  const p = params([ctx.tenantId])
  const namespace = p.add(selection.namespace, 'text')
  const scopeKey = (user: string) => `(select s.scope_key from scopes s where s.tenant_id = $1::integer and s.namespace = ${namespace} and s.user_id ${user})`
  const where = ['m.tenant_id = $1::integer', `m.namespace_key = ${scopeKey('is null')}`]
  if (selection.ids.user_id !== undefined) where.push(`m.user_key = ${scopeKey(`= ${p.add(selection.ids.user_id, 'text')}`)}`)
  where.push(...conditionsOf(selection, p))
  const found = `select m.memory_key, m.id, m.version from memories m where ${where.join(' and ')}`
  const keys = mode === 'lock' ? 'array_agg(f.memory_key order by f.memory_key) as keys, array_agg(f.version order by f.memory_key) as versions' : 'null as keys, null as versions'
  const [row] = await tx.query<Matched & { count: string }>(
    `with found as materialized (${found}${mode === 'lock' ? ' order by m.memory_key for update of m' : ''})
     select count(*) as count, coalesce(sum(hashtextextended(f.id || ':' || f.version, 1)::numeric), 0) || ':' || coalesce(sum(hashtextextended(f.id || ':' || f.version, 2)::numeric), 0) as hash, ${keys}
     from found f`,
    p.values,
  )
  const { count, ...rest } = row as Matched & { count: string }
  return { ...rest, count: Number(count) }
}

function tooMany(count: number): AppError {
  const detail = `matches ${count} memories; at most ${forgetAtMost} can be forgotten in one call`
  return new AppError('invalid', `The filter ${detail}: narrow it, for instance by created_at.`, { errors: [{ pointer: '/filters', detail }] })
}
