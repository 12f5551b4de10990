import * as z from 'zod'
import { Coord, MemoryType } from '../memory/index.ts'

// not z.record: that drops a name such as __proto__ without a word
const Payload = z.custom<Record<string, unknown>>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'takes an object').meta({ type: 'object' })
export const GuideStore = z.strictObject({ coord: Coord, payload: Payload, type: MemoryType.default('episodic') })
/** 1,000 is what the guides send in one call at most; more than 500 goes as several transactions of one call would, so it is refused. */
export const GuideBulk = z.strictObject({ items: z.array(GuideStore).min(1).max(500) })
export const GuideRecall = z.strictObject({
  query: z.string().min(1),
  top_k: z.number().int().min(1).max(100).default(5),
  type: MemoryType.optional(),
  filters: z.unknown().optional(),
  hybrid: z.boolean().default(true),
})
