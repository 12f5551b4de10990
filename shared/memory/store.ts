import type * as z from 'zod'
import { itemProblemOf, type Sql, singly } from '../db/index.ts'
import { AppError, type FieldError, invalidField, type ProblemCode, problems } from '../problem/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { type PreparedItem, prepareNew } from './prepare.ts'
import { type MemoryRow, memoryColumns, memoryOf } from './rows.ts'
import { BulkIn, MemoryIn, type MemoryInput, type MemoryOut } from './schema.ts'
import { type Call, requestHash, type StoredItem, storeItems } from './write.ts'

export type Stored = { status: number; replayed: boolean; memory: MemoryOut | { id: string; version: number } }
export type BulkResult = {
  index: number
  id?: string
  version?: number
  status: StoredItem['status']
  problem?: { code: ProblemCode; status: number; title: string; detail: string; errors?: FieldError[] }
}
export type BulkStored = { replayed: boolean; body: { results: BulkResult[]; created: number; updated: number; duplicate: number; failed: number } }

/** What a request was given before it is stored: see storeJournalled. */
export type Given = { id?: string; at?: Date }

/** Stores one memory: 201, or 200 when its coord existed and this is its next version. @throws AppError forbidden, invalid, idempotency_* */
export async function storeMemory(ctx: Ctx, body: unknown, idempotencyKey?: string, given: Given = {}): Promise<Stored> {
  requireScope(ctx, 'memory:write')
  const input = parseNew(body)
  const item = prepareNew(input, 0, given.at ?? new Date(), given.id)
  const call: Call = { key: idempotencyKey, hash: requestHash('store', body) }
  try {
    const access = { role: 'soma_app', tenantId: ctx.tenantId } as const
    const sql = singly(ctx.app, access)
    const store = (tx: Sql) => storeItems(tx, ctx, [item], call, { action: 'memory.store', bulk: false })
    // what a limited key may not replace is known afterwards, and taken back
    const answer = await (ctx.reach ? ctx.app.transaction(access, store) : store(sql))
    if ('replayed' in answer) {
      const [{ id, version } = { id: '', version: 0 }] = answer.replayed.result as { id: string; version: number }[]
      const memory = (await storedVersion(sql, ctx, id, version)) ?? { id, version }
      return { status: answer.replayed.status, replayed: true, memory }
    }
    const [stored] = answer.results as [StoredItem]
    return { status: stored.status === 'created' ? 201 : 200, replayed: false, memory: outOf(item, stored) }
  } catch (error) {
    const problem = itemProblemOf(error)
    if (problem) throw supersedesProblem(problem.code, '/supersedes')
    throw error
  }
}

/** A new memory on its own. @throws ZodError, AppError invalid */
export function parseNew(body: unknown): MemoryInput {
  const input = MemoryIn.parse(body)
  if (input.idempotency_key !== undefined) throw idempotencyInBody()
  return input
}

/** Whether a valid memory depends on nothing that is stored: it can wait. @throws ZodError, AppError invalid */
export function isPlainAppend(body: unknown): boolean {
  const { coord, supersedes } = parseNew(body)
  return coord === undefined && supersedes === undefined
}

/** Stores 1 to 500 memories in one transaction; atomic (all or none), or item by item. Nothing is stored when it throws. */
export async function storeMemories(ctx: Ctx, body: unknown, idempotencyKey?: string, origin: 'bulk' | 'guide' = 'bulk'): Promise<BulkStored> {
  requireScope(ctx, 'memory:write')
  const { items, atomic } = BulkIn.parse(body)
  const most = ctx.limits.batch_size
  if (most !== undefined && items.length > most) throw invalidField('/items', `has ${items.length} items: this tenant may store at most ${most} in a call`)
  const { prepared, results } = validateItems(items, atomic)
  const call: Call = { key: idempotencyKey, hash: requestHash(origin, body) }
  let remaining = prepared
  for (;;) {
    try {
      const answer = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
        const stored = await storeItems(tx, ctx, remaining, call, { action: 'memory.store', bulk: true })
        const failed = 'results' in stored ? stored.results.find((one) => one.status === 'failed') : undefined
        if (atomic && failed)
          throw new AppError(failed.problem as ProblemCode, 'Nothing was stored.', {
            errors: [{ pointer: `/items/${failed.i}/idempotency_key`, detail: problems[failed.problem as ProblemCode][1] }],
          })
        return stored
      })
      if ('replayed' in answer) {
        const stored = answer.replayed.result as StoredItem[]
        // what the database refused the first time stands in no record
        for (const { row } of prepared)
          if (!stored.some((one) => one.i === row.i)) results.set(row.i as number, failedResult(row.i as number, supersedesProblem('invalid', '/supersedes')))
        return { replayed: true, body: summarize(stored, results) }
      }
      return { replayed: false, body: summarize(answer.results, results) }
    } catch (error) {
      const problem = itemProblemOf(error)
      if (!problem) throw error
      const appError = supersedesProblem(problem.code, atomic ? `/items/${problem.item}/supersedes` : '/supersedes')
      if (atomic) throw appError
      results.set(problem.item, failedResult(problem.item, appError))
      remaining = remaining.filter((item) => item.row.i !== problem.item)
    }
  }
}

/** What each item is, or why not. With `atomic` the first wrong item makes it throw, with a pointer for every wrong field. */
function validateItems(items: unknown[], atomic: boolean): { prepared: PreparedItem[]; results: Map<number, BulkResult> } {
  const now = new Date()
  const prepared: PreparedItem[] = []
  const results = new Map<number, BulkResult>()
  const errors: FieldError[] = []
  const seenKeys = new Set<string>()
  for (const [i, item] of items.entries()) {
    const parsed = MemoryIn.safeParse(item)
    const error = parsed.success ? keyProblem(parsed.data, seenKeys) : new AppError('invalid', 'The item does not fit the contract.', { errors: fieldErrors(parsed.error) })
    if (!error && parsed.success) {
      const ready = prepareNew(parsed.data, i, now)
      if (ready.row.item_key !== undefined) ready.row.item_hash = requestHash('item', item)
      prepared.push(ready)
      continue
    }
    errors.push(...(error?.details.errors ?? []).map((one) => ({ ...one, pointer: `/items/${i}${one.pointer}` })))
    results.set(i, failedResult(i, error as AppError))
  }
  if (atomic && errors.length) throw new AppError('invalid', 'Nothing was stored: mend the items named here, or send "atomic": false.', { errors: errors.slice(0, 100) })
  return { prepared, results }
}

function keyProblem(input: MemoryInput, seen: Set<string>): AppError | undefined {
  if (input.idempotency_key === undefined) return undefined
  if (seen.has(input.idempotency_key)) {
    return new AppError('idempotency_conflict', 'This key stands at another item of the same call.', {
      errors: [{ pointer: '/idempotency_key', detail: 'is used twice in this call' }],
    })
  }
  seen.add(input.idempotency_key)
  return undefined
}

function summarize(stored: StoredItem[], results: Map<number, BulkResult>): BulkStored['body'] {
  for (const { i, id, version, status, problem } of stored) {
    const details = problem && { code: problem, status: problems[problem][0], title: problems[problem][1], detail: problems[problem][1] }
    results.set(i, details ? { index: i, status, problem: details } : { index: i, id, version, status })
  }
  const list = [...results.values()].sort((a, b) => a.index - b.index)
  const count = (status: BulkResult['status']) => list.filter((result) => result.status === status).length
  return { results: list, created: count('created'), updated: count('updated'), duplicate: count('duplicate'), failed: count('failed') }
}

function failedResult(index: number, error: AppError): BulkResult {
  const [status, title] = problems[error.code]
  return { index, status: 'failed', problem: { code: error.code, status, title, detail: error.message, ...(error.details.errors ? { errors: error.details.errors } : {}) } }
}

function supersedesProblem(code: ProblemCode, pointer: string): AppError {
  const detail = {
    conflict: 'that memory is superseded already by another',
    not_found: 'there is no memory with this id',
    invalid: 'that memory cannot be superseded by this one',
  }[code as 'conflict' | 'not_found' | 'invalid']
  return new AppError(code === 'conflict' ? 'conflict' : 'invalid', `Nothing was stored: ${detail}.`, { errors: [{ pointer, detail }] })
}

function idempotencyInBody(): AppError {
  return new AppError('invalid', 'For one memory the key goes into the header Idempotency-Key.', {
    errors: [{ pointer: '/idempotency_key', detail: 'belongs to the items of a bulk; use the header here' }],
  })
}

/** Zod's issues as JSON pointers with what to change. */
export function fieldErrors(error: z.ZodError): FieldError[] {
  return error.issues.flatMap((issue) => {
    const pointer = issue.path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ pointer: `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, detail: 'is not a field here' }))
    return [{ pointer, detail: issue.message }]
  })
}

/** The answer of a store, from what was sent and what the database gave: no read behind the write. */
function outOf({ row }: PreparedItem, stored: StoredItem): MemoryOut {
  const or = <T>(name: string) => (row[name] ?? null) as T | null
  return {
    id: stored.id,
    version: stored.version,
    namespace: row.namespace as string,
    coord: or('coord'),
    memory_type: row.memory_type as MemoryOut['memory_type'],
    text: row.text,
    memory: row.text,
    payload: or('payload'),
    messages: or('messages'),
    user_id: or('user_id'),
    agent_id: or('agent_id'),
    app_id: or('app_id'),
    run_id: or('run_id'),
    session_id: or('session_id'),
    speaker: or('speaker'),
    language: or('language'),
    metadata: row.metadata as Record<string, unknown>,
    tags: row.tags as string[],
    importance: row.importance as number,
    occurred_at: or('occurred_at'),
    valid_from: or('valid_from'),
    valid_to: or('valid_to'),
    expires_at: or('expires_at'),
    supersedes: or('supersedes'),
    superseded_by: or('superseded_by'),
    created_at: stored.created_at,
    updated_at: stored.updated_at,
    index_state: 'pending',
  }
}

/** A version of a memory as it was stored, whatever came after it. */
export async function storedVersion(tx: Parameters<typeof storeItems>[0], ctx: Ctx, id: string, version: number): Promise<MemoryOut | undefined> {
  const rows = await tx.query<MemoryRow>(
    `select ${memoryColumns} from memories m where m.tenant_id = $1::integer and m.id = $2::uuid and m.version = $3::integer
     union all select ${memoryColumns} from memory_versions m where m.tenant_id = $1::integer and m.id = $2::uuid and m.version = $3::integer and m.state = 'closed'`,
    [ctx.tenantId, id, version],
  )
  return rows[0] && memoryOf(rows[0])
}
