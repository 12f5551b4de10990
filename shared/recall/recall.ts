import type { Sql } from '../db/index.ts'
import type { Embedder } from '../embed/index.ts'
import { type Params, params } from '../filter/index.ts'
import { conditionsOf, type MemoryRow, memoryColumns, memoryOf, presentAt, selectionOf } from '../memory/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { tokenize } from '../text/index.ts'
import { type Candidate, fuse } from './fuse.ts'
import { type LexicalArm, matchedTerms, searchLexical } from './lexical.ts'
import { searchNearest, searchTail, type VectorHit } from './nearest.ts'
import { type Explanation, RecallIn, type RecallInput, type RecallOut, type RecallResult } from './schema.ts'
import { findScope } from './scope.ts'
import { semanticWeight } from './weights.ts'

/** What a recall needs beside the caller: the embedder, and who hears why an arm failed. */
export type RecallDeps = { embedder: Embedder; onDegraded: (reason: string, error: unknown) => void }
const charactersPerToken = 4

/** The memories that answer a query best, within the caller's tenant and scope. Reads nothing but snapshots and writes nothing. @throws AppError forbidden, invalid, scope_conflict */
export async function recall(ctx: Ctx, deps: RecallDeps, body: unknown): Promise<RecallOut> {
  requireScope(ctx, 'memory:read')
  const started = performance.now()
  const input = RecallIn.parse(body)
  const selection = selectionOf(input)
  const terms = [...new Set(tokenize(input.query))].slice(0, 256)
  const degraded: string[] = []
  const failed = (reason: string, error: unknown) => {
    if (!degraded.includes(reason)) degraded.push(reason)
    deps.onDegraded(reason, error)
  }
  const query = input.mode === 'lexical' ? undefined : await embedQuery(deps.embedder, input.query, ctx.signal).catch((error) => failed('embedder_unavailable', error))

  const conditions = (p: Params): string => {
    const valid = input.valid_at === undefined ? 'now()' : p.add(input.valid_at, 'timestamptz')
    const types = input.memory_types ? [`m.memory_type = any (${p.add(input.memory_types, 'text[]')})`] : []
    return [presentAt(valid), ...types, ...conditionsOf(selection, p)].join(' and ')
  }
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, async (tx) => {
    const scope = await findScope(tx, ctx.tenantId, input.namespace, selection.ids.user_id, { name: deps.embedder.model, dimension: deps.embedder.dimension })
    if (!scope) return { results: [], total_candidates: 0, took_ms: elapsed(started), degraded: degraded.length > 0, degraded_reasons: degraded }
    const p = params([ctx.tenantId])
    const lexical = input.mode === 'vector' ? { hits: [], mass: 0, candidates: 0 } : await searchLexical(tx, scope, terms, conditions(p), p)
    const nearest: VectorHit[] = []
    if (query && scope.modelKey !== null) {
      const q = params([ctx.tenantId])
      nearest.push(
        ...(await searchNearest(
          tx,
          ctx.tenantId,
          { ...scope, modelKey: scope.modelKey },
          query,
          lexical.hits.map((hit) => hit.key),
          conditions(q),
          q,
        )),
      )
    }
    if (query && scope.hasTail && input.consistency === 'read_your_writes') {
      const tail = await searchTail(tx, ctx.tenantId, scope, query, deps.embedder, conditions, ctx.signal).catch((error) => failed('embedder_unavailable', error))
      if (tail) nearest.push(...tail.hits)
      if (tail && !tail.complete) failed('index_lag', undefined)
    }
    const ranked = fuse(lexical, nearest, input, deps.embedder.model, new Date())
    const results = await present(tx, ctx, ranked, input, { lexical, terms, model: deps.embedder.model })
    return { results, total_candidates: Math.max(ranked.length, lexical.candidates), took_ms: elapsed(started), degraded: degraded.length > 0, degraded_reasons: degraded }
  })
}

async function embedQuery(embedder: Embedder, query: string, signal?: AbortSignal): Promise<Float32Array | undefined> {
  const [vector] = await embedder.embed([query], signal)
  return vector
}

/** The first `top_k` above the threshold, read whole, cut to the token budget. */
async function present(tx: Sql, ctx: Ctx, ranked: Candidate[], input: RecallInput, about: { lexical: LexicalArm; terms: string[]; model: string }): Promise<RecallResult[]> {
  const threshold = input.threshold ?? 0
  const chosen = ranked.filter((one) => one.score >= threshold).slice(0, input.top_k)
  if (!chosen.length) return []
  const keys = chosen.map((one) => one.key)
  const rows = await tx.query<MemoryRow>(`select ${memoryColumns} from memories m where m.tenant_id = $1::integer and m.memory_key = any ($2::bigint[])`, [ctx.tenantId, keys])
  const byKey = new Map(rows.map((row) => [row.memory_key, row]))
  const matched = input.explain ? await matchedTerms(tx, ctx.tenantId, keys, about.terms) : undefined
  const results: RecallResult[] = []
  let left = input.max_tokens ?? Number.POSITIVE_INFINITY
  for (const one of chosen) {
    const row = byKey.get(one.key)
    if (!row) continue
    left -= Math.ceil(row.text.length / charactersPerToken)
    if (left < 0) break
    const explained = matched ? { explain: explain(one, about, matched.get(one.key) ?? []) } : {}
    results.push({ ...memoryOf(row), score: one.score, score_breakdown: one.breakdown, ...explained })
  }
  return results
}

function explain(one: Candidate, about: { lexical: LexicalArm; model: string }, terms: string[]): Explanation {
  const weight = semanticWeight[about.model] ?? (semanticWeight.default as number)
  const words = terms.length ? `matched ${terms.join(', ')}` : 'matched no word'
  const meaning = one.cosine === null ? 'no vector yet' : `cosine ${one.cosine.toFixed(3)}`
  return { bm25: one.bm25, bm25_of: about.lexical.mass, matched_terms: terms, cosine: one.cosine, semantic_weight: weight, text: `${words}; ${meaning}` }
}

function elapsed(started: number): number {
  return Math.round((performance.now() - started) * 100) / 100
}
