import type * as z from 'zod'
import { type RecallDeps, type RecallResult, recall } from '../recall/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { contextScore, readContext } from './context.ts'
import { termMatcher } from './matcher.ts'
import { GuideContext, GuideRecall, GuideRecallBatch, type GuideRecallInput, GuideScores, GuideSearch, guideLimits } from './schema.ts'

export type Payload = Record<string, unknown>
export type GuideMatches = { matches: Payload[]; results: { payload: Payload; score: number; id: string; coord: string | null }[]; memory: Payload[]; wm: Payload[] }
export type GuideScored = { results: { payload: Payload; score: number }[] }

/** Recalls of one batch that run at the same time; a batch must not take every connection of the pool. */
const together = 4

/** What the guides call the payload of a memory; one that was stored natively, without a payload, has its text. */
export function payloadOf(memory: { payload: unknown; text: string }): Payload {
  return (memory.payload as Payload | null) ?? { text: memory.text }
}

/** Payloads in the order of their scores. `wm` is the brain's working memory, which holds nothing here. @throws AppError forbidden, invalid */
export async function guideRecall(ctx: Ctx, deps: RecallDeps, body: unknown): Promise<GuideMatches> {
  requireScope(ctx, 'memory:read')
  const found = await find(ctx, deps, GuideRecall.parse(body))
  const matches = found.map(payloadOf)
  return { matches, results: found.map((one) => ({ payload: payloadOf(one), score: one.score, id: one.id, coord: one.coord })), memory: matches, wm: [] }
}

/** The payloads of each of up to 50 queries, in the order of the queries. @throws AppError forbidden, invalid */
export async function guideRecallBatch(ctx: Ctx, deps: RecallDeps, body: unknown): Promise<{ batches: Payload[][] }> {
  requireScope(ctx, 'memory:read')
  const { queries, ...rest } = GuideRecallBatch.parse(body)
  const batches: Payload[][] = []
  for (let from = 0; from < queries.length; from += together) {
    const found = await Promise.all(queries.slice(from, from + together).map((query) => find(ctx, deps, { ...rest, query })))
    batches.push(...found.map((results) => results.map(payloadOf)))
  }
  return { batches }
}

/**
 * Payloads with scores. With `terms` the 100 best of the query are ranked anew: score · (1 + (boost − 1) · h) / boost, h the share of the terms that
 * the text holds. So all terms keep the score, none divides it by `boost`, and it stays in 0..1. @throws AppError forbidden, invalid
 */
export async function guideScores(ctx: Ctx, deps: RecallDeps, body: unknown): Promise<GuideScored> {
  requireScope(ctx, 'memory:read')
  const { terms, boost, exact, case_sensitive, ...query } = GuideScores.parse(body)
  if (!terms.length) return { results: (await find(ctx, deps, query)).map((one) => ({ payload: payloadOf(one), score: one.score })) }
  const matchers = terms.map((term) => termMatcher(term, { exact, caseSensitive: case_sensitive }))
  const found = await find(ctx, deps, { ...query, top_k: guideLimits.results })
  const ranked = rank(found, query.top_k, (one) => {
    const held = matchers.filter((occurrences) => occurrences(one.text) > 0).length / matchers.length
    return (one.score * (1 + (boost - 1) * held)) / boost
  })
  return { results: ranked.map(({ one, score }) => ({ payload: payloadOf(one), score })) }
}

/** Payloads ranked by the query and what the caller has in mind (see contextScore). @throws AppError forbidden, invalid */
export async function guideRecallWithContext(ctx: Ctx, deps: RecallDeps, body: unknown): Promise<{ results: Payload[] }> {
  requireScope(ctx, 'memory:read')
  const { context, ...query } = GuideContext.parse(body)
  const about = readContext(context)
  const found = await find(ctx, deps, { ...query, hybrid: true, top_k: guideLimits.results })
  return { results: rank(found, query.top_k, (one) => contextScore(one, about)).map(({ one }) => payloadOf(one)) }
}

/** The later name of recall, by page: whole memories with their scores. @throws AppError forbidden, invalid */
export async function guideSearch(ctx: Ctx, deps: RecallDeps, body: unknown): Promise<{ memories: RecallResult[] }> {
  requireScope(ctx, 'memory:read')
  const { offset, top_k, ...query }: z.output<typeof GuideSearch> = GuideSearch.parse(body)
  const found = await find(ctx, deps, { ...query, type: undefined, hybrid: true, top_k: offset + top_k })
  return { memories: found.slice(offset) }
}

async function find(ctx: Ctx, deps: RecallDeps, { query, top_k, type, filters, hybrid }: GuideRecallInput): Promise<RecallResult[]> {
  const { results } = await recall(ctx, deps, {
    query,
    top_k,
    mode: hybrid ? 'hybrid' : 'vector',
    ...(type === undefined ? {} : { memory_types: [type] }),
    ...(filters === undefined ? {} : { filters }),
  })
  return results
}

/** The first `top` by a new score; where scores are equal the order of the recall stays. */
function rank(found: RecallResult[], top: number, scoreOf: (one: RecallResult) => number): { one: RecallResult; score: number }[] {
  const scored = found.map((one) => ({ one, score: Math.round(scoreOf(one) * 1e9) / 1e9 }))
  return scored.sort((a, b) => b.score - a.score).slice(0, top)
}
