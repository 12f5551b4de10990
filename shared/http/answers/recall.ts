import * as z from 'zod'
import type { RecallOut, RecallResult } from '../../recall/index.ts'
import { namedAnswer } from './components.ts'
import { memoryFields } from './memory.ts'

const part = z.number().min(0).max(1)
const idf = z.number().min(0)

export const Result = namedAnswer(
  'RecallResult',
  z.strictObject({
    ...memoryFields,
    score: part,
    score_breakdown: z.strictObject({ lexical: part, semantic: part, context: part, recency: part, importance: part }),
    explain: z
      .strictObject({
        parts: z.strictObject({ words: idf, neighbours: idf, session: idf, speaker: idf, date: idf, when: idf }).meta({
          description: "of the memory's own words, those next to it in its session, and the session; of the speaker, the day and the kind of answer that the question names",
        }),
        most: idf.meta({ description: 'the most the parts could be together' }),
        matched_terms: z.array(z.string()).meta({ description: 'terms of the question that the memory has itself' }),
        cosine: z.number().nullable(),
        semantic_weight: z.number(),
        text: z.string(),
      })
      .optional()
      .meta({ description: 'the raw parts of the score, when asked for by explain' }),
  }),
) satisfies z.ZodType<RecallResult>

export const Recalled = namedAnswer(
  'RecallResults',
  z.strictObject({
    results: z.array(Result).meta({ description: 'the best first' }),
    total_candidates: z.int().min(0),
    took_ms: z.number().min(0),
    degraded: z.boolean().meta({ description: 'true when a part of the search could not take part' }),
    degraded_reasons: z.array(z.string()),
    replay: z.string().meta({ description: 'gives these very versions again, whatever is written since' }),
  }),
) satisfies z.ZodType<RecallOut>
