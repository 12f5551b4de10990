import { beforeAll, describe, expect, test } from 'vitest'
import { openPostgres } from '../../shared/db/index.ts'
import { listMemories } from '../../shared/memory/index.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { loseWakeUps } from './admin.ts'

const full = {
  text: 'Full of Élan',
  coord: '1,2',
  memory_type: 'semantic',
  user_id: 'u1',
  session_id: 's1',
  speaker: 'Ada',
  language: 'en',
  importance: 0.1,
  tags: ['Red', 'blue'],
  occurred_at: '2026-01-01T00:00:00.500Z',
  valid_from: '2025-01-01T00:00:00Z',
  metadata: { n: 5, s: 'Hello', b: true, list: ['X', 7, null], deep: { er: 'yes' }, nil: null },
  payload: { where: { city: 'Lisbon' } },
}
const bare = { text: 'bare 100%_', occurred_at: '2026-06-01T00:00:00Z' }

/** A filter, and which of the two memories it matches: full (f), bare (b). */
const cases: Record<string, [filter: unknown, matches: '' | 'f' | 'b' | 'fb'][]> = {
  texts: [
    [{ speaker: 'Ada' }, 'f'],
    [{ speaker: 'ada' }, ''],
    [{ speaker: { $eq: 'Ada' } }, 'f'],
    [{ speaker: { ne: 'Ada' } }, 'b'],
    [{ speaker: { ne: 'Bob' } }, 'fb'],
    [{ speaker: null }, 'b'],
    [{ speaker: { ne: null } }, 'f'],
    [{ speaker: { in: ['Bob', 'Ada'] } }, 'f'],
    [{ speaker: { in: [] } }, ''],
    [{ speaker: { nin: ['Ada'] } }, 'b'],
    [{ speaker: { nin: [] } }, 'fb'],
    [{ speaker: { exists: true } }, 'f'],
    [{ speaker: { exists: false } }, 'b'],
    [{ speaker: { gt: 'A', lt: 'B' } }, 'f'],
    [{ speaker: { $gte: 'a' } }, ''],
    [{ text: { contains: 'of É' } }, 'f'],
    [{ text: { contains: 'of é' } }, ''],
    [{ text: { icontains: 'OF é' } }, 'f'],
    [{ text: { contains: '%' } }, 'b'],
    [{ text: { contains: '100__' } }, ''],
    [{ coord: '1,2' }, 'f'],
    [{ memory_type: { in: ['episodic', 'procedural'] } }, 'b'],
  ],
  numbers: [
    [{ importance: 0.1 }, 'f'],
    [{ importance: { lte: 0.1 } }, 'f'],
    [{ importance: { gt: 0.1 } }, 'b'],
    [{ importance: { in: [0.1, 1] } }, 'fb'],
    [{ importance: { ne: 1 } }, 'f'],
    [{ version: { gte: 1, lt: 1.5 } }, 'fb'],
    [{ version: { exists: true } }, 'fb'],
  ],
  times: [
    [{ occurred_at: '2026-01-01T01:00:00.500+01:00' }, 'f'],
    [{ occurred_at: { gt: '2026-01-01T00:00:00.500Z' } }, 'b'],
    [{ occurred_at: { gte: '2026-01-01' } }, 'fb'],
    [{ occurred_at: { lt: '2026-06-01' } }, 'f'],
    [{ occurred_at: { lte: '2026-06-01' } }, 'fb'],
    [{ occurred_at: { nin: ['2026-06-01'] } }, 'f'],
    [{ valid_from: { exists: true } }, 'f'],
    [{ valid_from: { ne: '2025-01-01' } }, 'b'],
    [{ NOT: { valid_from: { gt: '2020-01-01' } } }, 'b'],
    [{ created_at: { gt: '2020-01-01' }, updated_at: { gt: '2020-01-01' } }, 'fb'],
  ],
  tags: [
    [{ tags: { contains: 'Red' } }, 'f'],
    [{ tags: { contains: 'red' } }, ''],
    [{ tags: { icontains: 'RED' } }, 'f'],
    [{ tags: { icontains: 're' } }, ''],
    [{ tags: { in: ['green', 'blue'] } }, 'f'],
    [{ tags: { nin: ['blue'] } }, 'b'],
    [{ tags: ['Red', 'blue'] }, 'f'],
    [{ tags: { ne: ['Red', 'blue'] } }, 'b'],
    [{ tags: { exists: false } }, 'b'],
    [{ tags: null }, 'b'],
    [{ tags: [] }, 'b'],
  ],
  'ids and states': [
    [{ id: '019a0000-0000-7000-8000-000000000000' }, ''],
    [{ id: { ne: '019a0000-0000-7000-8000-000000000000' } }, 'fb'],
    [{ superseded_by: { exists: true } }, ''],
    [{ supersedes: null }, 'fb'],
    [{ index_state: 'pending' }, 'fb'],
    [{ index_state: { ne: 'pending' } }, ''],
    [{ index_state: { in: ['pending', 'indexed'] } }, 'fb'],
    [{ index_state: { nin: [] } }, 'fb'],
  ],
  'metadata and payload': [
    [{ 'metadata.n': 5 }, 'f'],
    [{ 'metadata.n': '5' }, ''],
    [{ 'metadata.n': { gt: 4.5, lte: 5 } }, 'f'],
    [{ 'metadata.n': { gt: '4' } }, ''],
    [{ 'metadata.s': { gte: 'Hello' } }, 'f'],
    [{ 'metadata.b': true }, 'f'],
    [{ 'metadata.b': { ne: true } }, 'b'],
    [{ 'metadata.s': { in: ['Hello', 5] } }, 'f'],
    [{ 'metadata.s': { nin: ['Hello'] } }, 'b'],
    [{ 'metadata.s': { contains: 'ell' } }, 'f'],
    [{ 'metadata.s': { icontains: 'HELL' } }, 'f'],
    [{ 'metadata.n': { contains: '5' } }, ''],
    [{ 'metadata.list': { contains: 'X' } }, 'f'],
    [{ 'metadata.list': { contains: 7 } }, 'f'],
    [{ 'metadata.list': { contains: '7' } }, ''],
    [{ 'metadata.list': { icontains: 'x' } }, 'f'],
    [{ 'metadata.list': { icontains: '7' } }, ''],
    [{ 'metadata.deep.er': 'yes' }, 'f'],
    [{ 'metadata.deep': { exists: true } }, 'f'],
    [{ 'metadata.nil': { exists: true } }, ''],
    [{ 'metadata.nil': null }, 'fb'],
    [{ 'payload.where.city': { $in: ['Lisbon'] } }, 'f'],
    [{ 'payload.where.city': { $nin: ['Lisbon'] } }, 'b'],
    [{ NOT: { 'payload.where.city': { contains: 'x' } } }, 'fb'],
  ],
  combinations: [
    [{ AND: [{ speaker: 'Ada' }, { importance: { lt: 1 } }] }, 'f'],
    [{ OR: [{ speaker: 'Ada' }, { importance: 1 }] }, 'fb'],
    [{ OR: [{ speaker: 'Bob' }, { AND: [{ importance: 1 }, { tags: { exists: false } }] }] }, 'b'],
    [{ NOT: { OR: [{ speaker: 'Ada' }, { speaker: 'Bob' }] } }, 'b'],
    [{ NOT: { NOT: { speaker: 'Ada' } } }, 'f'],
    [{ speaker: 'Ada', importance: { gt: 0.5 } }, ''],
    [{ speaker: { ne: 'Bob', exists: true } }, 'f'],
    [{ AND: [{ user_id: 'u1' }], session_id: 's1' }, 'f'],
  ],
}

describeEngines('filters', (product) => {
  let ada: Caller
  const names = (items: { text: string }[]) => items.map(({ text }) => (text === full.text ? 'f' : 'b')).join('')
  beforeAll(async () => {
    await loseWakeUps(product())
    ada = await product().tenant()
    expect((await product().call(ada, 'POST', '/v1/memories/bulk', { items: [bare, full] })).status).toBe(200)
  })

  describe.each(Object.keys(cases))('on %s', (kind) => {
    test('every operator chooses what it says, in list and in recall', async () => {
      const found = []
      for (const [filters] of cases[kind] ?? []) {
        const list = await product().call(ada, 'POST', '/v1/memories/list', { filters })
        const recall = await product().call(ada, 'POST', '/v1/recall', { query: 'full bare élan', mode: 'lexical', filters })
        found.push([filters, list.body.items ? names(list.body.items) : list.body.detail])
        expect([filters, [...names(recall.body.results)].sort()]).toEqual([filters, [...(found.at(-1)?.[1] ?? '')].sort()])
      }
      expect(found).toEqual(cases[kind])
    })
  })

  test('a date is midnight UTC wherever the database’s session lives', async () => {
    const { adminUrl, ctx } = product()
    if (adminUrl === undefined) return
    const elsewhere = openPostgres({ url: `${adminUrl}?options=${encodeURIComponent('-c TimeZone=Asia/Kolkata')}`, max: 1, onError: () => {} })
    const { items } = await listMemories({ ...ctx(ada), app: elsewhere }, { filters: { occurred_at: { gte: '2026-06-01' } }, order_by: 'occurred_at asc' })
    await elsewhere.close()
    expect(items.map(({ text, occurred_at }) => [text, occurred_at])).toEqual([['bare 100%_', '2026-06-01T00:00:00.000Z']])
  })
})
