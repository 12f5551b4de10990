import type { Database } from '../db/index.ts'
import { type Embedder, type Embedders, embedderOf } from '../embed/index.ts'
import { AppError } from '../problem/index.ts'
import { recall } from '../recall/index.ts'
import type { Ctx } from '../tenant/index.ts'
import { type Model, readRoles } from '../vector/index.ts'
import { mean, overlapAt, percentile, rankCorrelation } from './ranks.ts'

/** `source`: the memory that the query is taken from. It is left out of both answers: every model finds a text by itself. */
export type Query = { text: string; namespace: string; source?: string }
export type CompareOptions = { top_k: number; mode: 'hybrid' | 'vector'; signal: AbortSignal; onProgress: (done: number) => void }
type Side = { model: string; dimension: number; p50_ms: number; p95_ms: number }
export type Comparison = {
  queries: number
  top_k: number
  mode: string
  searched: Side
  kept: Side
  /** Means over the queries; `same_first`: the share of those whose first result is the same. */
  overlap: number | null
  rank_correlation: number | null
  same_first: number | null
  /** Where they differ most. */
  furthest: { query: string; overlap: number; searched: string[]; kept: string[] }[]
}
const longestQuery = 300
const shown = 5

/** Asks each query of both models, as recalls of a tenant that count for nothing, in turns. @throws AppError conflict when there is one model only, unavailable without its embedder */
export async function compareModels(ctx: Ctx, embedders: Embedders, queries: Query[], { top_k, mode, signal, onProgress }: CompareOptions): Promise<Comparison> {
  const roles = await ctx.app.transaction({ role: 'soma_app', tenantId: null, readOnly: true }, readRoles)
  if (!roles?.kept) throw new AppError('conflict', 'There is one model only: `soma models introduce` begins with another one.')
  const sides = [roles.searched, roles.kept].map((model) => ({ model, embedder: embedderOf(embedders, model), took: [] as number[] })) as [Asked, Asked]
  const pairs: { query: string; searched: string[]; kept: string[] }[] = []
  for (const [i, query] of queries.entries()) {
    signal.throwIfAborted()
    const found = new Map<Asked, string[]>()
    // the second one finds the caches warm: so each is second every other time
    for (const side of i % 2 ? sides.toReversed() : sides) found.set(side, await ask(ctx, embedders, side, query, { top_k, mode }))
    pairs.push({ query: query.text, searched: found.get(sides[0]) as string[], kept: found.get(sides[1]) as string[] })
    onProgress(i + 1)
  }
  const judged = pairs.map((pair) => ({ ...pair, overlap: overlapAt(top_k, pair.searched, pair.kept) }))
  return {
    queries: pairs.length,
    top_k,
    mode,
    searched: sideOf(sides[0]),
    kept: sideOf(sides[1]),
    overlap: mean(judged.map((one) => one.overlap)),
    rank_correlation: mean(pairs.map((pair) => rankCorrelation(pair.searched, pair.kept)).filter((one) => one !== null)),
    same_first: mean(pairs.map((pair) => Number(pair.searched[0] === pair.kept[0]))),
    furthest: judged.toSorted((a, b) => a.overlap - b.overlap).slice(0, shown),
  }
}

type Asked = { model: Model; embedder: Embedder; took: number[] }

async function ask(
  ctx: Ctx,
  embedders: Embedders,
  { embedder, took }: Asked,
  { text, namespace, source }: Query,
  { top_k, mode }: { top_k: number; mode: string },
): Promise<string[]> {
  const failed = (reason: string, error: unknown) => {
    if (reason !== 'index_lag') throw error
  }
  const deps = { ...embedders, only: embedder, onDegraded: failed, generation: async () => 1 }
  const started = performance.now()
  const { results } = await recall(ctx, deps, { query: text, namespace, mode, top_k: Math.min(100, top_k + 1) })
  took.push(performance.now() - started)
  return results
    .map((one) => one.id)
    .filter((id) => id !== source)
    .slice(0, top_k)
}

const tenths = (ms: number) => Math.round(ms * 10) / 10
const sideOf = ({ model, took }: Asked): Side => ({ model: model.name, dimension: model.dimension, p50_ms: tenths(percentile(0.5, took)), p95_ms: tenths(percentile(0.95, took)) })

/** Texts of a tenant's memories as queries, taken evenly from the oldest to the newest: what was asked is not kept anywhere. */
export function sampleQueries(app: Database, tenantId: number, sample: number): Promise<Query[]> {
  return app.transaction({ role: 'soma_app', tenantId, readOnly: true }, async (tx) => {
    const rows = await tx.query<{ id: string; namespace: string; text: string }>(
      `select m.id, m.namespace, left(m.text, ${longestQuery}) as text
       from (select min(m.memory_key) as low, max(m.memory_key) as high from memories m where m.tenant_id = $1::integer) e,
       generate_series(0, $2::integer - 1) i cross join lateral (
         select m.id, m.namespace, m.text from memories m
         where m.tenant_id = $1::integer and m.memory_key >= e.low + (e.high - e.low) * i / greatest(1, $2::integer - 1) and m.text ~ '\\S' order by m.memory_key limit 1) m`,
      [tenantId, sample],
    )
    const once = new Map(rows.map((row) => [row.id, { text: row.text, namespace: row.namespace, source: row.id }]))
    return [...once.values()]
  })
}
