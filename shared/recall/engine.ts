import { type Params, params } from '../filter/index.ts'
import type { Selection } from '../memory/index.ts'
import type { Ctx } from '../tenant/index.ts'
import type { VectorEngine } from '../vector/index.ts'
import type { LexicalHit } from './lexical.ts'
import { narrowOf } from './narrow.ts'
import { searchNearest, type VectorHit } from './nearest.ts'
import type { RecallInput } from './schema.ts'
import type { Scope } from './scope.ts'
import type { View } from './view.ts'
import { candidates, engineLimits } from './weights.ts'

/** A place that is there twice is answered once, and makes an answer look shorter. */
const nearlyAll = 0.8

/** Where a vector engine has the vectors of a scope. */
export type Asked = { scope: Scope & { modelKey: number }; collection: string }
export type EngineSearch = Asked & { query: Float32Array; words: LexicalHit[]; view: (p: Params) => View; input: RecallInput; selection: Selection }

/**
 * The nearest memories as a vector engine knows them. What it answers are keys: which of them may be seen, and how near they are, is read in Postgres under the
 * conditions of the recall, so nothing that is stale, foreign or forgotten there gets any further. It is asked after the snapshot of the words: what that saw
 * indexed, the engine has. No transaction is open meanwhile. While the engine is away, the words keep their cosine; `onAway` hears of it.
 */
export async function searchEngine(ctx: Ctx, engine: VectorEngine, asked: EngineSearch, onAway: (error: unknown) => void): Promise<VectorHit[]> {
  const { scope, collection, query, words, input, selection } = asked
  const narrow = narrowOf(input, selection)
  const userKey = scope.column === 'user_key' ? scope.key : undefined
  for (let limit: number = engineLimits.first; ; limit *= engineLimits.factor) {
    const found = await engine
      .search(collection, { tenantId: ctx.tenantId, namespaceKey: scope.namespaceKey, userKey, narrow, vector: query, limit }, ctx.signal)
      .catch((error): undefined => void onAway(error))
    const hits = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, (tx) => {
      const p = params([ctx.tenantId])
      return searchNearest(tx, ctx.tenantId, scope, query, words, asked.view(p), p, { topK: asked.input.top_k, among: found?.memoryKeys ?? [] })
    })
    const near = new Set(found?.memoryKeys)
    const seen = new Set(hits.map((hit) => hit.key).filter((key) => near.has(key)))
    if (!found || found.places < limit * nearlyAll || limit >= engineLimits.most || seen.size >= candidates.nearest) return hits
  }
}
