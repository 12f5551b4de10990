import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseFilter } from '../../shared/filter/index.ts'
import { narrowOf, type RecallInput } from '../../shared/recall/index.ts'
import { marksOf, type Narrow } from '../../shared/vector/index.ts'
import { type Memory, matches } from './evaluate.ts'
import { filter, memory } from './memories-and-filters.ts'

const numRuns = process.env.SOMA_FULL === '1' ? 100_000 : 8_000
const scopeless = { memory_type: 'episodic', user_id: null, agent_id: null, app_id: null, run_id: null, session_id: null, speaker: null, language: null, coord: null }
const plain = { tags: [], metadata: {}, payload: {}, importance: 1, version: 1, valid_from: null, valid_to: null, expires_at: null, occurred_at: null }

/** A memory as it is answered, of what was stored. */
const answered = memory.map((stored) => {
  const occurred_at = stored.occurred_at === undefined ? null : new Date(stored.occurred_at).toISOString()
  const kept = JSON.parse(JSON.stringify({ ...scopeless, ...plain, ...stored, occurred_at, created_at: '2022-02-02T00:00:00.000Z', updated_at: '2022-02-02T00:00:00.000Z' }))
  return kept as Memory & Parameters<typeof marksOf>[0] & { importance: number; occurred_at: string | null; created_at: string }
})
type Kept = Parameters<typeof marksOf>[0] & { importance: number; occurred_at: string | null; created_at: string }

/** Whether an engine would let it through: what it is told of a memory is its marks and four numbers. */
function passes(narrow: Narrow, kept: Kept): boolean {
  if (narrow.kind === 'marked') return narrow.anyOf.some((one) => marksOf(kept).includes(one))
  if (narrow.kind !== 'bound') return narrow.kind === 'and' ? narrow.parts.every((part) => passes(part, kept)) : narrow.parts.some((part) => passes(part, kept))
  const times = { createdMs: kept.created_at, occurredMs: kept.occurred_at, recordedMs: kept.created_at }
  const value = narrow.field === 'importance' ? kept.importance : times[narrow.field] === null ? Number.MIN_SAFE_INTEGER : Date.parse(times[narrow.field] as string)
  return narrow.op === '>=' ? value >= narrow.value : value <= narrow.value
}

const narrowed = (filters: unknown) => narrowOf({ query: 'x', namespace: 'default' } as unknown as RecallInput, { namespace: 'default', ids: {}, filter: parseFilter(filters) })

test('what an engine is told of any filter lets through every memory that the filter chooses', () => {
  let told = 0
  fc.assert(
    fc.property(answered, filter, (kept, one) => {
      const narrow = narrowed(one)
      if (narrow) told++
      if (narrow && matches(one, kept)) expect(passes(narrow, kept)).toBe(true)
    }),
    { numRuns },
  )
  expect(told).toBeGreaterThan(numRuns / 10)
})

test('it keeps out what lacks a tag, a type, a value of the metadata, or a time, and is silent about what it cannot say', () => {
  const kept = { ...scopeless, ...plain, tags: ['tea'], metadata: { topic: 'tea', deep: { n: 1, list: ['a'] } }, created_at: '2022-02-02T00:00:00.000Z' } as Kept
  const passed = (filters: unknown) => {
    const narrow = narrowed(filters)
    return narrow ? passes(narrow, kept) : 'not said'
  }
  expect([passed({ tags: { contains: 'tea' } }), passed({ tags: { contains: 'te' } })]).toEqual([true, false])
  expect([passed({ memory_type: 'episodic' }), passed({ memory_type: { in: ['semantic'] } })]).toEqual([true, false])
  expect([passed({ 'metadata.topic': 'tea' }), passed({ 'metadata.topic': 'milk' }), passed({ 'metadata.deep.n': 1 }), passed({ 'metadata.deep.n': '1' })]).toEqual([
    true,
    false,
    true,
    false,
  ])
  expect([passed({ created_at: { gte: '2022-02-01' } }), passed({ created_at: { lt: '2022-02-01' } })]).toEqual([true, false])
  expect([passed({ OR: [{ tags: { contains: 'no' } }, { 'metadata.topic': 'tea' }] }), passed({ OR: [{ tags: { contains: 'no' } }, { 'metadata.topic': 'no' }] })]).toEqual([
    true,
    false,
  ])
  const unsaid = [
    { NOT: { tags: { contains: 'no' } } },
    { text: { contains: 'x' } },
    { 'metadata.deep.list.0': 'a' },
    { speaker: null },
    { tags: { in: [] } },
    { OR: [{ tags: { contains: 'no' } }, { text: 'x' }] },
  ]
  expect(unsaid.map(passed)).toEqual(unsaid.map(() => 'not said'))
  // so many leaves are not marked one by one: any condition on them may hold
  const many = { ...kept, metadata: Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`k${i}`, i])) }
  const narrow = narrowed({ 'metadata.topic': 'tea' })
  expect([narrow && passes(narrow, many), marksOf(many).length]).toEqual([true, 3])
})
