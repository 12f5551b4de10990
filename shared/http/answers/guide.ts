import * as z from 'zod'
import type { GuideEdge, GuideMemoryStored, GuideScored, GuideMatches as Matches, GuideStored as Stored } from '../../guide/index.ts'
import { MemoryType } from '../../memory/index.ts'
import type { Stats } from '../../usage/index.ts'
import { namedAnswer, Time } from './components.ts'
import { Memory } from './memory.ts'
import { Result } from './recall.ts'

const Payload = z.record(z.string(), z.unknown())
const Payloads = z.array(Payload).meta({ description: 'payloads, the best first' })
const Place = z.array(z.number())
const count = z.int().min(0)
const id = z.uuid()
const stored = { ok: z.literal(true), id, version: z.int().min(1) }

export const GuideStored = namedAnswer('GuideStored', z.strictObject(stored)) satisfies z.ZodType<Stored>
export const GuideStoredMemory = namedAnswer('GuideStoredMemory', z.strictObject({ ...stored, coord: z.string(), memory_type: MemoryType })) satisfies z.ZodType<GuideMemoryStored>
export const GuideStoredBulk = namedAnswer('GuideStoredBulk', z.strictObject({ stored: count, ids: z.array(id) }))
export const GuideForgotten = namedAnswer('GuideForgotten', z.strictObject({ ok: z.literal(true), deleted: z.literal(true), id, coord: z.string() }))
export const GuideOneMemory = namedAnswer('GuideMemory', z.strictObject({ memory: Memory }))

export const GuideMatches = namedAnswer(
  'GuideMatches',
  z.strictObject({
    matches: Payloads,
    results: z.array(z.strictObject({ payload: Payload, score: z.number().min(0).max(1), id, coord: z.string().nullable() })),
    memory: Payloads.meta({ description: 'the same as matches' }),
    wm: z.array(Payload).meta({ description: 'working memory; empty' }),
  }),
) satisfies z.ZodType<Matches>
export const GuideBatches = namedAnswer('GuideBatches', z.strictObject({ batches: z.array(Payloads).meta({ description: 'one list a query, in their order' }) }))
export const GuideScoredPayloads = namedAnswer(
  'GuideScoredPayloads',
  z.strictObject({ results: z.array(z.strictObject({ payload: Payload, score: z.number().min(0) })) }),
) satisfies z.ZodType<GuideScored>
export const GuidePayloads = namedAnswer('GuidePayloads', z.strictObject({ results: Payloads }))
export const GuideKeywordPayloads = namedAnswer(
  'GuideKeywordPayloads',
  z.strictObject({ results: Payloads, complete: z.boolean().meta({ description: 'false when the search ended at its bound and there may be more' }) }),
)
export const GuideMemories = namedAnswer('GuideMemories', z.strictObject({ memories: z.array(Result) }))
export const GuideCoords = namedAnswer('GuideCoords', z.strictObject({ coords: z.array(Place), next_cursor: z.string().nullable() }))

export const GuideLinked = namedAnswer('GuideLinked', z.strictObject({ ok: z.literal(true), id }))
const Edge = z.strictObject({ id, type: z.string(), weight: z.number().positive(), metadata: Payload, created_at: Time }) satisfies z.ZodType<GuideEdge>
export const GuideNeighborsFound = namedAnswer('GuideNeighbors', z.strictObject({ neighbors: z.array(z.tuple([Place, Edge])) }))
export const GuidePathFound = namedAnswer(
  'GuidePath',
  z.strictObject({ path: z.array(Place.nullable()).meta({ description: 'coords; null stands for a memory without one, and an empty list for no path' }) }),
)
export const GuideStats = namedAnswer('GuideStats', z.strictObject({ total_memories: count, episodic: count, semantic: count, namespace: z.string() })) satisfies z.ZodType<
  Omit<Stats, 'procedural'>
>
