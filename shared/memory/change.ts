import { type Sql, singly } from '../db/index.ts'
import { AppError, type ProblemCode } from '../problem/index.ts'
import { assertWithin, type Ctx, type Place, requireScope } from '../tenant/index.ts'
import { memoryId, selectMemory } from './get.ts'
import { prepareVersion, textOfPayload } from './prepare.ts'
import { memoryOf } from './rows.ts'
import { MemoryIn, type MemoryOut, MemoryPatch } from './schema.ts'
import { storedVersion } from './store.ts'
import { type Call, callOf, finishedCall, idempotencyProblem, type Replay, requestHash, type StoredItem, storeItems } from './write.ts'

/** Merges a patch (RFC 7396) into the open version and stores the result as the next one. @throws AppError not_found, precondition_failed, invalid */
export async function patchMemory(
  ctx: Ctx,
  id: string,
  body: unknown,
  options: { ifVersion?: number | undefined; idempotencyKey?: string | undefined },
): Promise<{ memory: MemoryOut; replayed: boolean }> {
  requireScope(ctx, 'memory:write')
  const known = memoryId(id)
  const patch = MemoryPatch.parse(body)
  const call: Call = { key: options.idempotencyKey, hash: requestHash(`patch ${known} ${options.ifVersion}`, body) }
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    // a repeated call decides first, whatever became of the memory since: it answers the version it made
    const finished = (await finishedCall(tx, ctx, call))?.result as [StoredItem] | undefined
    if (finished) {
      const memory = await storedVersion(tx, ctx, known, finished[0].version)
      if (memory) {
        assertWithin(ctx, memory)
        return { memory, replayed: true }
      }
    }
    const row = await selectMemory(tx, ctx.tenantId, known, 'for update')
    if (!row) throw new AppError('not_found', 'There is no memory with this id.')
    assertWithin(ctx, row)
    if (options.ifVersion !== undefined && options.ifVersion !== row.version) throw staleVersion(row.version)
    const merged = merge(memoryOf(row), patch)
    const answer = await storeItems(tx, ctx, [prepareVersion(merged, row.memory_key)], call, { action: 'memory.patch', bulk: false })
    // its version is gone for good, so there is nothing to answer with
    if ('replayed' in answer) throw new AppError('not_found', 'There is no memory with this id.')
    const [stored] = answer.results as [StoredItem]
    return { memory: { ...merged, version: stored.version, updated_at: stored.updated_at, index_state: 'pending' as const }, replayed: false }
  })
}

/** Forgets one memory: it leaves every present-time answer at once and stays in history until it is erased. @throws AppError not_found, precondition_failed */
export async function forgetMemory(ctx: Ctx, id: string, options: { ifVersion?: number | undefined; idempotencyKey?: string | undefined }): Promise<{ replayed: boolean }> {
  requireScope(ctx, 'memory:delete')
  const known = memoryId(id)
  const call: Call = { key: options.idempotencyKey, hash: requestHash(`forget ${known} ${options.ifVersion}`, null) }
  const access = { role: 'soma_app', tenantId: ctx.tenantId } as const
  const forget = async (sql: Sql): Promise<ForgetAnswer> => {
    const values = [ctx.tenantId, known, options.ifVersion ?? null, callOf(ctx, call, { action: 'memory.forget' })]
    const [row] = await sql.query<{ answer: ForgetAnswer }>('select forget_memory($1::integer, $2::uuid, $3::integer, $4::jsonb) as answer', values)
    return row?.answer ?? {}
  }
  // only a limited key has to look first
  const answer = await (ctx.reach ? ctx.app.transaction(access, (tx) => withinThen(tx, ctx, known, forget)) : forget(singly(ctx.app, access)))
  if (answer.problem === 'not_found') throw new AppError('not_found', 'There is no memory with this id.')
  if (answer.problem === 'precondition_failed') throw staleVersion(answer.version as number)
  if (answer.problem) throw idempotencyProblem(answer.problem)
  return { replayed: answer.replayed !== undefined }
}

type ForgetAnswer = { problem?: ProblemCode; version?: number; replayed?: Replay }

async function withinThen<T>(tx: Sql, ctx: Ctx, id: string, work: (tx: Sql) => Promise<T>): Promise<T> {
  const row = await selectMemory(tx, ctx.tenantId, id, 'for update')
  // one that is forgotten already may be answered from an idempotency record
  const [last] = row
    ? [row]
    : await tx.query<Place>('select v.* from memory_versions v where v.tenant_id = $1::integer and v.id = $2::uuid order by v.version desc limit 1', [ctx.tenantId, id])
  if (last) assertWithin(ctx, last)
  return work(tx)
}

function staleVersion(version: number): AppError {
  return new AppError('precondition_failed', `The memory is at version ${version} now: read it again and repeat with that If-Match.`)
}

function merge(memory: MemoryOut, patch: Record<string, unknown>): MemoryOut {
  const defaults: Record<string, unknown> = { metadata: {}, tags: [], importance: 1, memory_type: 'episodic' }
  const next: Record<string, unknown> = { ...memory }
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined) continue
    if (name === 'metadata' || name === 'payload') next[name] = mergePatch(next[name], value)
    else next[name] = value
    if (next[name] === null) next[name] = defaults[name] ?? null
  }
  // a text that was taken from the payload follows it
  if (patch.payload && patch.text === undefined && memory.payload && memory.text === textOfPayload(memory.payload)) next.text = textOfPayload(next.payload)
  // the result obeys the same limits as a new memory
  const { payload, metadata, valid_from, valid_to, text } = next
  const checked = Object.fromEntries(Object.entries({ payload, metadata, valid_from, valid_to }).filter(([, value]) => value !== null))
  MemoryIn.parse({ ...checked, ...(text === '' ? {} : { text }) })
  return { ...next, memory: next.text } as MemoryOut
}

/** RFC 7396, section 2. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const base = typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {}
  const result = new Map(Object.entries(base))
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name)
    else result.set(name, mergePatch(result.get(name), value))
  }
  return Object.fromEntries(result)
}
