import * as z from 'zod'
import { FilterIn } from '../filter/index.ts'
import { Coord, MemoryType } from '../memory/index.ts'

/** What one request of the guides' surface may ask for; the rest of a memory's limits are those of the native API. */
export const guideLimits = { bulk: 500, queries: 50, terms: 32, term: 1024, boost: 100, contextBytes: 16 * 1024, results: 100, coords: 1000 } as const

/** A proxy in front of either form answers a large body late or never, which is what the guides warn of; so one call is one transaction of this many. */
const bulkSize = `takes 1 to ${guideLimits.bulk} items: send more as several requests, as the guides do (10 of 100)`
// not z.record: that drops a name such as __proto__ without a word
const JsonObject = z.custom<Record<string, unknown>>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'takes an object').meta({ type: 'object' })
const Query = z
  .string()
  .min(1)
  .max(64 * 1024)
  .refine((text) => text.trim() !== '', 'must not be empty')
const Term = z
  .string()
  .min(1)
  .max(guideLimits.term)
  .refine((text) => text.trim() !== '', 'must not be empty')
const topK = (byDefault: number) => z.number().int().min(1).max(guideLimits.results).default(byDefault)
// Python clients send None for what they leave out
const Type = MemoryType.nullish().transform((type) => type ?? undefined)
const Filters = FilterIn.optional()

export const GuideStore = z.strictObject({ coord: Coord, payload: JsonObject, type: MemoryType.default('episodic') })
export const GuideBulk = z.strictObject({ items: z.array(GuideStore).min(1, bulkSize).max(guideLimits.bulk, bulkSize) })
export const GuideMemory = z.strictObject({ coord: Coord, payload: JsonObject, memory_type: MemoryType.default('episodic') })

const recallFields = { top_k: topK(5), type: Type, filters: Filters, hybrid: z.boolean().default(true) }
export const GuideRecall = z.strictObject({ query: Query, ...recallFields })
export const GuideRecallBatch = z.strictObject({ queries: z.array(Query).min(1).max(guideLimits.queries), ...recallFields })
export type GuideRecallInput = z.output<typeof GuideRecall>

export const GuideScores = z.strictObject({
  ...{ query: Query, ...recallFields },
  terms: z
    .array(Term)
    .max(guideLimits.terms)
    .nullish()
    .transform((terms) => terms ?? []),
  boost: z.number().min(1).max(guideLimits.boost).default(2),
  exact: z.boolean().default(true),
  case_sensitive: z.boolean().default(false),
})
export const GuideKeyword = z.strictObject({ term: Term, exact: z.boolean().default(true), case_sensitive: z.boolean().default(false), top_k: topK(50), type: Type })
export type GuideKeywordInput = z.output<typeof GuideKeyword>

export const GuideContext = z.strictObject({
  query: Query,
  context: JsonObject.refine((context) => Buffer.byteLength(JSON.stringify(context)) <= guideLimits.contextBytes, `takes at most ${guideLimits.contextBytes} bytes`).default({}),
  top_k: topK(5),
  type: Type,
})

export const GuideSearch = z
  .strictObject({ query: Query, top_k: topK(5), offset: z.number().int().min(0).max(guideLimits.results).default(0), filters: Filters })
  .refine(({ top_k, offset }) => top_k + offset <= guideLimits.results, { path: ['offset'], error: `offset and top_k together reach ${guideLimits.results} at most` })

export const GuideRange = z
  .strictObject({ min: Coord, max: Coord, type: Type, limit: z.number().int().min(1).max(guideLimits.coords).default(guideLimits.coords), cursor: z.string().max(2000).optional() })
  .refine(({ min, max }) => min.split(',').length === max.split(',').length, { path: ['max'], error: 'must have as many dimensions as min' })

const LinkType = z.string().min(1).max(128)
export const GuideLink = z
  .strictObject({ from_coord: Coord, to_coord: Coord, type: LinkType.default('related'), weight: z.number().gt(0).max(1_000_000).default(1) })
  .refine((link) => link.from_coord !== link.to_coord, { path: ['to_coord'], error: 'must be another place than from_coord' })
export const GuideNeighbors = z.strictObject({ coord: Coord, link_type: LinkType.optional(), limit: z.number().int().min(1).max(500).default(50) })
export const GuidePath = z.strictObject({ frm: Coord, to: Coord, link_type: LinkType.optional() })
