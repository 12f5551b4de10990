import * as z from 'zod'
import { FilterIn } from '../filter/index.ts'
import { Instant, LanguageTag, type MemoryOut, MemoryType, Namespace, scopeIds } from '../memory/index.ts'
import type { Parts } from '../ranking/index.ts'

/** A replay token of 100 results has 5,930 characters. */
const longestToken = 8_192
const Weight = z.number().min(0).max(1)
export const RecallIn = z.strictObject({
  query: z
    .string()
    .min(1)
    .max(64 * 1024)
    .refine((text) => text.trim() !== '', 'must not be empty'),
  language: LanguageTag.optional(),
  top_k: z.number().int().min(1).max(100).default(10),
  namespace: Namespace.default('default'),
  ...scopeIds,
  filters: FilterIn.optional(),
  memory_types: z.array(MemoryType).min(1).max(3).optional(),
  mode: z.enum(['hybrid', 'lexical', 'vector']).default('hybrid'),
  threshold: z.number().min(0).max(1).optional(),
  max_tokens: z.number().int().min(1).max(1_000_000).optional(),
  weights: z.strictObject({ recency: Weight.optional(), importance: Weight.optional() }).optional(),
  as_of: Instant.optional(),
  valid_at: Instant.optional(),
  replay: z.string().min(1).max(longestToken).optional(),
  consistency: z.enum(['read_your_writes', 'eventual']).default('read_your_writes'),
  explain: z.boolean().default(false),
})
export type RecallInput = z.output<typeof RecallIn>

export type ScoreBreakdown = { lexical: number; semantic: number; context: number; recency: number; importance: number }
/** Raw parts behind a score: those of the words in units of idf, and the most they could be; the terms that the memory has itself; the cosine and its weight. */
export type Explanation = { parts: Parts; most: number; matched_terms: string[]; cosine: number | null; semantic_weight: number; text: string }
export type RecallResult = MemoryOut & { score: number; score_breakdown: ScoreBreakdown; explain?: Explanation }
export type RecallOut = { results: RecallResult[]; total_candidates: number; took_ms: number; degraded: boolean; degraded_reasons: string[]; replay: string }
