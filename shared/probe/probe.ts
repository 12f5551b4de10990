import * as z from 'zod'
import { Namespace } from '../memory/index.ts'

const Answered = z.array(z.tuple([z.uuid(), z.number().int().min(1), z.number()])).max(100)

/**
 * A question that was asked of a database, and what it answered: by [id, version, score], best first. Whoever asks it again of a copy of that database learns
 * whether the copy recalls the same. The vector is one that a memory of the scope had, so that no embedder is asked.
 */
export const Probe = z.strictObject({
  namespace: Namespace,
  user_id: z.nullable(z.string()),
  query: z.string().min(1).max(400),
  valid_at: z.iso.datetime(),
  /** Whose vectors are compared, and the question's; null where the memory had none. */
  model: z.nullable(z.strictObject({ name: z.string(), dimension: z.number().int().min(1), vector: z.array(z.number()).max(16_000) })),
  answers: z.strictObject({ words: Answered, meaning: z.nullable(Answered) }),
})
export type Probe = z.output<typeof Probe>
export type Answers = Probe['answers']
export type Answer = Answers['words']
export type Question = Omit<Probe, 'answers'>
