import type { Sql } from '../db/index.ts'
import type { Embedder } from '../embed/index.ts'
import { type Params, params } from '../filter/index.ts'
import { conditionsOf, presentAt, selectionOf } from '../memory/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { tokenize } from '../text/index.ts'
import { fuse } from './fuse.ts'
import { type LexicalArm, searchLexical } from './lexical.ts'
import { readTail, searchNearest, searchTail, type TailRow, type VectorHit } from './nearest.ts'
import { present } from './present.ts'
import { RecallIn, type RecallInput, type RecallOut } from './schema.ts'
import { findScope } from './scope.ts'
import { tailSize } from './weights.ts'

/** What a recall needs beside the caller: the embedder, and who hears why an arm failed. */
export type RecallDeps = { embedder: Embedder; onDegraded: (reason: string, error: unknown) => void }

/** The memories that answer a query best, within the caller's tenant and scope. Reads nothing but snapshots and writes nothing. @throws AppError forbidden, invalid, scope_conflict */
export async function recall(ctx: Ctx, deps: RecallDeps, body: unknown): Promise<RecallOut> {
  requireScope(ctx, 'memory:read')
  const started = performance.now()
  const input = RecallIn.parse(body)
  const selection = selectionOf(input)
  const terms = [...new Set(tokenize(input.query))].slice(0, 256)
  const degraded: string[] = []
  const failed = (reason: string, error: unknown): undefined => {
    if (!degraded.includes(reason)) degraded.push(reason)
    deps.onDegraded(reason, error)
  }
  const query = input.mode === 'lexical' ? undefined : await embedQuery(deps.embedder, input.query, ctx.signal).catch((error) => failed('embedder_unavailable', error))

  const conditions = (p: Params): string => {
    const valid = input.valid_at === undefined ? 'now()' : p.add(input.valid_at, 'timestamptz')
    const types = input.memory_types ? [`m.memory_type = any (${p.add(input.memory_types, 'text[]')})`] : []
    return [presentAt(valid), ...types, ...conditionsOf(selection, p)].join(' and ')
  }
  const access = { role: 'soma_app', tenantId: ctx.tenantId, readOnly: true } as const
  const model = deps.embedder
  const finish = async (tx: Sql, { lexical, nearest }: Gathered): Promise<RecallOut> => {
    const ranked = fuse(lexical, nearest, input, model.model, new Date())
    const results = await present(tx, ctx.tenantId, ranked, input, conditions, { lexical, terms, model: model.model })
    return { results, total_candidates: Math.max(ranked.length, lexical.candidates), took_ms: elapsed(started), degraded: degraded.length > 0, degraded_reasons: degraded }
  }
  // one snapshot for both arms; where nothing waits for its vector the answer is read in it too
  const first = await ctx.app.transaction(access, async (tx) => {
    const gathered = await gather(tx, ctx.tenantId, input, { userId: selection.ids.user_id, terms, query, model, conditions })
    return gathered.tail.length ? { gathered } : { answer: await finish(tx, gathered) }
  })
  if (first.answer) return first.answer
  const { gathered } = first
  // embedding may call another server: no transaction is open meanwhile
  const tail = await searchTail(gathered.tail.slice(0, tailSize), query as Float32Array, model, ctx.signal).catch((error) => failed('embedder_unavailable', error))
  if (tail) gathered.nearest.push(...tail)
  if (gathered.tail.length > tailSize) failed('index_lag', undefined)
  return ctx.app.transaction(access, (tx) => finish(tx, gathered))
}

type Gathered = { lexical: LexicalArm; nearest: VectorHit[]; tail: TailRow[] }
type Search = { userId: string | undefined; terms: string[]; query: Float32Array | undefined; model: Embedder; conditions: (p: Params) => string }

async function gather(tx: Sql, tenantId: number, input: RecallInput, { userId, terms, query, model, conditions }: Search): Promise<Gathered> {
  const found: Gathered = { lexical: { hits: [], mass: 0, candidates: 0 }, nearest: [], tail: [] }
  const scope = await findScope(tx, tenantId, input.namespace, userId, { name: model.model, dimension: model.dimension })
  if (!scope) return found
  if (input.mode !== 'vector') {
    const p = params([tenantId])
    found.lexical = await searchLexical(tx, scope, terms, conditions(p), p)
  }
  if (query && scope.modelKey !== null) {
    const p = params([tenantId])
    found.nearest = await searchNearest(tx, tenantId, { ...scope, modelKey: scope.modelKey }, query, found.lexical.hits, conditions(p), p)
  }
  if (query && scope.hasTail && input.consistency === 'read_your_writes') {
    const p = params([tenantId])
    found.tail = await readTail(tx, scope, conditions(p), p)
  }
  return found
}

async function embedQuery(embedder: Embedder, query: string, signal?: AbortSignal): Promise<Float32Array | undefined> {
  const [vector] = await embedder.embed([query], signal)
  return vector
}

function elapsed(started: number): number {
  return Math.round((performance.now() - started) * 100) / 100
}
