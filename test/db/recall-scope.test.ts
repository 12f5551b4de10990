import { beforeAll, expect, test } from 'vitest'
import { type Answer, describeEngines } from '../support/engines.ts'
import { idsOf, loseWakeUps } from './admin.ts'

const modes = ['lexical', 'vector', 'hybrid'] as const
const texts = (answer: Answer): string[] => answer.body.results.map((one: { text: string }) => one.text).sort()

describeEngines('recall within a scope', (product) => {
  beforeAll(() => loseWakeUps(product()))

  test('scope ids and filters hold in every mode, for indexed memories and for the un-indexed tail', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    const base = { user_id: 'u1', agent_id: 'a1', app_id: 'p1', run_id: 'r1', session_id: 's1', memory_type: 'semantic', tags: ['keep'], metadata: { level: 3 }, importance: 5 }
    const others = [
      { ...base, user_id: 'u2' },
      { ...base, user_id: undefined },
      { ...base, agent_id: 'a2' },
      { ...base, app_id: 'p2' },
      { ...base, run_id: 'r2' },
      { ...base, session_id: 's2' },
      { ...base, namespace: 'other' },
      { ...base, memory_type: 'episodic' },
      { ...base, tags: ['drop'] },
      { ...base, metadata: { level: 4 } },
      { ...base, importance: 1 },
    ]
    const ids = { user_id: 'u1', agent_id: 'a1', app_id: 'p1', run_id: 'r1', session_id: 's1' }
    const filters = { tags: { contains: 'keep' }, 'metadata.level': { lt: 4 }, NOT: { importance: { lt: 2 } } }
    const wanted: string[] = []
    for (const round of ['pending', 'indexed']) {
      await call(ada, 'POST', '/v1/memories/bulk', { items: others.map((other, i) => ({ ...other, text: `the harbour at dawn, not wanted ${i}` })) })
      const stored = await call(ada, 'POST', '/v1/memories', { ...base, text: `the harbour at dawn ${round}` })
      wanted.push(stored.body.id)
      for (const mode of modes) {
        const top = await call(ada, 'POST', '/v1/recall', { query: 'the harbour at dawn', mode, top_k: 100, ...ids, filters, memory_types: ['semantic'] })
        expect([round, mode, idsOf(top.body.results).sort()]).toEqual([round, mode, wanted.toSorted()])
        const inFilter = await call(ada, 'POST', '/v1/recall', { query: 'the harbour at dawn', mode, top_k: 100, filters: { AND: [ids, filters, { memory_type: 'semantic' }] } })
        expect([round, mode, idsOf(inFilter.body.results).sort()]).toEqual([round, mode, wanted.toSorted()])
      }
      await settle()
    }
  })

  test('a memory of no user is not found within a user, and a user’s is found without naming one', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'shared lighthouse' })
    await call(ada, 'POST', '/v1/memories', { text: 'private lighthouse', user_id: 'u' })
    for (const mode of modes) {
      expect(texts(await call(ada, 'POST', '/v1/recall', { query: 'lighthouse', mode, user_id: 'u' }))).toEqual(['private lighthouse'])
      expect(texts(await call(ada, 'POST', '/v1/recall', { query: 'lighthouse', mode }))).toEqual(['private lighthouse', 'shared lighthouse'])
    }
  })

  test('no name is a pattern', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'lighthouse', user_id: 'user1', namespace: 'default' })
    for (const name of ['*', '%', 'user%', 'user_', '.*', '']) {
      const { status, body } = await call(ada, 'POST', '/v1/recall', { query: 'lighthouse', user_id: name })
      if (name === '') expect(status).toBe(422)
      else expect(body.results).toEqual([])
    }
    expect((await call(ada, 'POST', '/v1/recall', { query: 'lighthouse', namespace: '*' })).body.results).toEqual([])
  })

  test('a scope id that stands twice with different values is a conflict, with the same value it is not', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'lighthouse', user_id: 'u' })
    for (const [path, more] of [
      ['/v1/recall', { query: 'lighthouse' }],
      ['/v1/memories/list', {}],
    ] as const) {
      const conflict = await call(ada, 'POST', path, { ...more, user_id: 'u', filters: { AND: [{ user_id: { eq: 'v' } }] } })
      expect([conflict.status, conflict.body.code, conflict.body.errors[0].pointer]).toEqual([422, 'scope_conflict', '/filters/AND/0/user_id/eq'])
      const same = await call(ada, 'POST', path, { ...more, user_id: 'u', filters: { user_id: 'u' } })
      expect((same.body.results ?? same.body.items).length).toBe(1)
    }
    const either = await call(ada, 'POST', '/v1/recall', { query: 'lighthouse', user_id: 'u', filters: { OR: [{ user_id: 'u' }, { user_id: 'v' }] } })
    expect(either.body.results).toHaveLength(1)
    const twice = await call(ada, 'POST', '/v1/memories/list', { filters: { AND: [{ user_id: 'u' }, { user_id: 'v' }] } })
    expect([twice.status, twice.body.items]).toEqual([200, []])
  })

  test('valid_at asks what was true then; without it, what is true now', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    const year = (from: string | null, to: string | null, text: string) =>
      call(ada, 'POST', '/v1/memories', { text, ...(from ? { valid_from: `${from}-01-01T00:00:00Z` } : {}), ...(to ? { valid_to: `${to}-01-01T00:00:00Z` } : {}) })
    await year(null, '2010', 'capital before 2010')
    await year('2010', '2020', 'capital of the decade')
    await year('2020', null, 'capital since 2020')
    await year('2999', null, 'capital to come')
    await year(null, null, 'capital always')
    for (const mode of modes) {
      const ask = async (at?: string) => texts(await call(ada, 'POST', '/v1/recall', { query: 'capital', mode, ...(at ? { valid_at: at } : {}) }))
      expect(await ask()).toEqual(['capital always', 'capital since 2020'])
      expect(await ask('2005-06-01T00:00:00Z')).toEqual(['capital always', 'capital before 2010'])
      expect(await ask('2010-01-01T00:00:00Z')).toEqual(['capital always', 'capital of the decade'])
      expect(await ask('2019-12-31T23:59:59.999Z')).toEqual(['capital always', 'capital of the decade'])
      expect(await ask('3000-01-01')).toEqual(['capital always', 'capital since 2020', 'capital to come'])
      await settle()
    }
    expect((await call(ada, 'POST', '/v1/memories/list', {})).body.items).toHaveLength(2)
  })

  test('a tail longer than a recall embeds itself is said to lag, and words find all of it', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'the very first memory' })
    await call(ada, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 205 }, (_, i) => ({ text: `filler ${i}` })) })
    const vector = await call(ada, 'POST', '/v1/recall', { query: 'the very first memory', mode: 'vector', threshold: 0.9 })
    expect(vector.body).toMatchObject({ results: [], degraded: true, degraded_reasons: ['index_lag'] })
    const lexical = await call(ada, 'POST', '/v1/recall', { query: 'the very first memory', mode: 'lexical' })
    expect(texts(lexical)).toEqual(['the very first memory'])
    await settle()
    const indexed = await call(ada, 'POST', '/v1/recall', { query: 'the very first memory', mode: 'vector', threshold: 0.9 })
    expect([texts(indexed), indexed.body.degraded]).toEqual([['the very first memory'], false])
  })
})
