import * as z from 'zod'
import { isTime } from '../filter/index.ts'
import { type MemoryOut, MemoryType, Namespace, scopeIds } from '../memory/index.ts'

const Weight = z.number().min(0).max(1)
export const RecallIn = z.strictObject({
  query: z
    .string()
    .min(1)
    .max(64 * 1024)
    .refine((text) => text.trim() !== '', 'must not be empty'),
  top_k: z.number().int().min(1).max(100).default(10),
  namespace: Namespace.default('default'),
  ...scopeIds,
  filters: z.unknown().optional(),
  memory_types: z.array(MemoryType).min(1).max(3).optional(),
  mode: z.enum(['hybrid', 'lexical', 'vector']).default('hybrid'),
  threshold: z.number().min(0).max(1).optional(),
  max_tokens: z.number().int().min(1).max(1_000_000).optional(),
  weights: z.strictObject({ recency: Weight.optional(), importance: Weight.optional() }).optional(),
  valid_at: z
    .string()
    .refine(isTime, 'takes a time such as 2026-01-31T12:00:00Z')
    .transform((text) => new Date(text).toISOString())
    .optional(),
  consistency: z.enum(['read_your_writes', 'eventual']).default('read_your_writes'),
  explain: z.boolean().default(false),
})
export type RecallInput = z.output<typeof RecallIn>

export type ScoreBreakdown = { lexical: number; semantic: number; context: number; recency: number; importance: number }
/** Raw parts behind a score: the BM25 sum and the most it could be, the words that matched, the cosine and its weight. */
export type Explanation = { bm25: number; bm25_of: number; matched_terms: string[]; cosine: number | null; semantic_weight: number; text: string }
export type RecallResult = MemoryOut & { score: number; score_breakdown: ScoreBreakdown; explain?: Explanation }
export type RecallOut = { results: RecallResult[]; total_candidates: number; took_ms: number; degraded: boolean; degraded_reasons: string[] }
