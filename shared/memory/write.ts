import { createHash } from 'node:crypto'
import type { Sql } from '../db/index.ts'
import { AppError, type ProblemCode } from '../problem/index.ts'
import { assertWithin, type Ctx, type Place } from '../tenant/index.ts'
import type { PreparedItem } from './prepare.ts'

export type StoredItem = {
  i: number
  id: string
  version: number
  status: 'created' | 'updated' | 'duplicate' | 'failed'
  created_at: string
  updated_at: string
  memory_key: string
  problem?: ProblemCode
}
export type Replay = { status: number; result: unknown }
type Answer = { results?: StoredItem[]; replayed?: Replay; problem?: ProblemCode }
/** One idempotent call: its key, and a hash of what it asks for. */
export type Call = { key?: string | undefined; hash?: string }

/** Binds an idempotency key to what was asked: same key and another body is a conflict. */
export function requestHash(operation: string, body: unknown): string {
  return createHash('sha256')
    .update(operation)
    .update('\n')
    .update(JSON.stringify(body) ?? '')
    .digest('hex')
}

/** What the write functions record about the call. */
export function callOf(ctx: Ctx, call: Call, more: Record<string, unknown>): string {
  return JSON.stringify({ actor: ctx.actor, request_id: ctx.requestId, traceparent: ctx.traceparent, key: call.key, hash: call.hash, ...more })
}

/** Runs store_memories in the caller's transaction. @throws AppError idempotency_conflict, idempotency_in_progress */
export async function storeItems(
  tx: Sql,
  ctx: Ctx,
  items: PreparedItem[],
  call: Call,
  more: { action: string; bulk: boolean },
): Promise<{ results: StoredItem[] } | { replayed: Replay }> {
  for (const { row } of items) assertWithin(ctx, row as unknown as Place)
  const places: number[] = []
  const terms: string[] = []
  const frequencies: number[] = []
  for (const { row, terms: counts } of items) {
    for (const [term, tf] of counts) {
      places.push(row.i as number)
      terms.push(term)
      frequencies.push(tf)
    }
  }
  const flags = {
    has_coords: items.some(({ row }) => row.coord !== undefined || row.target_key !== undefined),
    has_keys: items.some(({ row }) => row.item_key !== undefined),
    has_supersedes: items.some(({ row }) => row.supersedes !== undefined && row.target_key === undefined),
  }
  const [row] = await tx.query<{ answer: Answer }>('select store_memories($1::integer, $2::jsonb, $3::jsonb, $4::integer[], $5::text[], $6::smallint[]) as answer', [
    ctx.tenantId,
    JSON.stringify(items.map((item) => item.row)),
    callOf(ctx, call, { ...more, ...flags }),
    places,
    terms,
    frequencies,
  ])
  const answer = (row as { answer: Answer }).answer
  if (answer.problem) throw idempotencyProblem(answer.problem)
  if (answer.replayed) return { replayed: answer.replayed }
  const results = answer.results ?? []
  if (ctx.reach) await assertReplaced(tx, ctx, items, results)
  return { results }
}

/** What a limited key replaced, at a coord or by superseding it, has to be within its reach too; the transaction ends when it is not. @throws AppError forbidden */
async function assertReplaced(tx: Sql, ctx: Ctx, items: PreparedItem[], results: StoredItem[]): Promise<void> {
  const updated = results.filter(({ status, version }) => status === 'updated' && version > 1)
  const superseded = items.flatMap(({ row }) => (row.supersedes && row.target_key === undefined ? [row.supersedes] : []))
  const columns = 'm.namespace, m.user_id, m.agent_id, m.app_id, m.run_id, m.session_id'
  const places = await tx.query<Place>(
    `select ${columns} from memory_versions m join unnest($2::uuid[], $3::integer[]) w (id, version) on w.id = m.id and w.version = m.version + 1 where m.tenant_id = $1::integer and m.id = any ($2::uuid[])
     union all select ${columns} from memories m where m.tenant_id = $1::integer and m.id = any ($4::uuid[])`,
    [ctx.tenantId, updated.map(({ id }) => id), updated.map(({ version }) => version), superseded],
  )
  for (const place of places) assertWithin(ctx, place)
}

/** What a finished call with this key gave; undefined when there was none. @throws AppError idempotency_conflict, idempotency_in_progress */
export async function finishedCall(tx: Sql, ctx: Ctx, call: Call): Promise<Replay | undefined> {
  if (call.key === undefined) return undefined
  const [row] = await tx.query<{ answer: Answer | null }>(`select claim_idempotency($1::integer, $2::text, decode($3::text, 'hex')) as answer`, [ctx.tenantId, call.key, call.hash])
  if (row?.answer?.problem) throw idempotencyProblem(row.answer.problem)
  return row?.answer?.replayed
}

/** Keeps what a call with a key gave, in the transaction that did it: ids, versions and numbers, never text. */
export async function recordCall(tx: Sql, ctx: Ctx, call: Call, status: number, result: unknown): Promise<void> {
  if (call.key === undefined) return
  await tx.query(
    `insert into idempotency (tenant_id, key, request_hash, status, result, created_at) values ($1::integer, $2::text, decode($3::text, 'hex'), $4::smallint, $5::jsonb, now())`,
    [ctx.tenantId, call.key, call.hash, status, JSON.stringify(result)],
  )
}

export function idempotencyProblem(code: ProblemCode): AppError {
  if (code === 'idempotency_in_progress') return new AppError(code, 'Wait for the first request with this key to end, then repeat.', { retryAfterSeconds: 1 })
  return new AppError(code, 'Use a new idempotency key for a new request.')
}
