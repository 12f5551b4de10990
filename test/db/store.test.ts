import { expect, test } from 'vitest'
import { describeEveryEngine } from '../support/engines.ts'
import { adminSql, idsOf } from './admin.ts'

const everything = {
  text: 'The red fox jumps over the river',
  payload: { seen: { where: 'river', depth: 2.5 }, list: [1, 'two', null, true] },
  messages: [
    { role: 'user', content: 'Did you see it?', name: 'Ada', at: '2026-01-01T10:00:00.000Z' },
    { role: 'assistant', content: 'Yes' },
  ],
  namespace: 'field notes',
  coord: '1,2,3',
  memory_type: 'semantic',
  user_id: 'u',
  agent_id: 'a',
  app_id: 'p',
  run_id: 'r',
  session_id: 's',
  speaker: 'Grace',
  language: 'en',
  metadata: { topic: { name: 'animals' }, 'a.b': 1 },
  tags: ['fox', 'River', 'ünï'],
  importance: 7.5,
  occurred_at: '2025-12-31T23:59:59.123Z',
  valid_from: '2025-01-01T00:00:00.000Z',
  valid_to: '2999-01-01T00:00:00.000Z',
  expires_at: '2999-06-01T00:00:00.000Z',
}

describeEveryEngine('storing', (product) => {
  test('a stored memory comes back by id and by its words at once', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const stored = await call(ada, 'POST', '/v1/memories', { text: 'The red fox jumps over the river', user_id: 'u' })
    expect(stored.status).toBe(201)
    expect(stored.headers.get('etag')).toBe('"1"')
    const read = await call(ada, 'GET', `/v1/memories/${stored.body.id}`)
    expect({ ...read.body, index_state: 'pending' }).toEqual(stored.body)
    const found = await call(ada, 'POST', '/v1/recall', { query: 'foxes jumping', user_id: 'u' })
    expect(idsOf(found.body.results)).toEqual([stored.body.id])
  })

  test('every field that goes in comes out the same from store, get, list, recall and history', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const stored = await call(ada, 'POST', '/v1/memories', everything)
    expect(stored.status).toBe(201)
    expect(stored.body).toMatchObject({ ...everything, memory: everything.text, version: 1, supersedes: null, superseded_by: null })
    expect(stored.body.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(stored.body.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(stored.body.updated_at).toBe(stored.body.created_at)
    await product().settle()
    const indexed = { ...stored.body, index_state: 'indexed' }
    expect((await call(ada, 'GET', `/v1/memories/${stored.body.id}`)).body).toEqual(indexed)
    expect((await call(ada, 'POST', '/v1/memories/list', { namespace: 'field notes' })).body.items).toEqual([indexed])
    const recalled = await call(ada, 'POST', '/v1/recall', { query: 'red fox', namespace: 'field notes' })
    const { score: _score, score_breakdown: _breakdown, ...memory } = recalled.body.results[0]
    expect(memory).toEqual(indexed)
    const history = await call(ada, 'GET', `/v1/memories/${stored.body.id}/history`)
    expect(history.body).toEqual({ items: [{ ...indexed, state: 'open', closed_at: null }], next_cursor: null })
  })

  test('what is left out has its default, and times are written in UTC with milliseconds', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'plain', valid_from: '2026-03-01T01:30:00+01:30', valid_to: '2999-01-01' })
    expect(body).toMatchObject({ namespace: 'default', memory_type: 'episodic', importance: 1, tags: [], metadata: {}, payload: null, messages: null, coord: null, user_id: null })
    expect(body.valid_from).toBe('2026-03-01T00:00:00.000Z')
    expect(body.valid_to).toBe('2999-01-01T00:00:00.000Z')
    expect(Math.abs(Date.parse(body.occurred_at) - Date.parse(body.created_at))).toBeLessThan(60_000)
  })

  test('content and memory are accepted for text', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    for (const name of ['content', 'memory']) {
      const { status, body } = await call(ada, 'POST', '/v1/memories', { [name]: `by the name ${name}` })
      expect({ status, text: body.text, memory: body.memory }).toEqual({ status: 201, text: `by the name ${name}`, memory: `by the name ${name}` })
    }
  })

  test('one message is its content, and its name is the speaker', async () => {
    const { call, tenant } = product()
    const { body } = await call(await tenant(), 'POST', '/v1/memories', { messages: [{ role: 'user', content: 'I moved to Lisbon', name: 'Ada', at: '2026-02-03T04:05:06Z' }] })
    expect(body).toMatchObject({ text: 'I moved to Lisbon', speaker: 'Ada', occurred_at: '2026-02-03T04:05:06.000Z' })
    expect(body.messages).toEqual([{ role: 'user', content: 'I moved to Lisbon', name: 'Ada', at: '2026-02-03T04:05:06.000Z' }])
  })

  test('many messages are one text with who said what, and have no one speaker', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const messages = [
      { role: 'user', content: 'Where to?', name: 'Ada' },
      { role: 'assistant', content: 'To Lisbon' },
    ]
    const { body } = await call(ada, 'POST', '/v1/memories', { messages })
    expect(body).toMatchObject({ text: 'Ada: Where to?\nassistant: To Lisbon', speaker: null, messages })
    const found = await call(ada, 'POST', '/v1/recall', { query: 'Lisbon' })
    expect(idsOf(found.body.results)).toEqual([body.id])
  })

  test('a payload without a text is found by what its strings say, in their order', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { payload: { title: 'Quarterly report', rows: [{ note: 'revenue rose' }, 3, ''], done: true } })
    expect(body.text).toBe('Quarterly report\nrevenue rose')
    const found = await call(ada, 'POST', '/v1/recall', { query: 'revenue' })
    expect(idsOf(found.body.results)).toEqual([body.id])
  })

  test('a payload without any string is stored all the same', async () => {
    const { call, tenant } = product()
    const { status, body } = await call(await tenant(), 'POST', '/v1/memories', { payload: { temperature: 21.5 } })
    expect({ status, text: body.text, payload: body.payload }).toEqual({ status: 201, text: '', payload: { temperature: 21.5 } })
  })

  test('payloads keep their numbers, nulls, empty containers and odd names', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const payload = { zero: 0, big: 1e300, small: 5e-324, negative: -12.25, none: null, list: [], object: {}, '': 'empty name', __proto__x: 1, 'ключ ✓': '😀' }
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'odd', payload })
    expect((await call(ada, 'GET', `/v1/memories/${body.id}`)).body.payload).toEqual(payload)
  })
})

describeEveryEngine('expiry', (product) => {
  test('ttl_seconds counts from the store, and the instant it ends nothing at present time shows the memory', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'a fleeting remark', ttl_seconds: 3600 })
    expect(Math.abs(Date.parse(body.expires_at) - Date.parse(body.created_at) - 3_600_000)).toBeLessThan(60_000)
    const present = async () => ({
      get: (await call(ada, 'GET', `/v1/memories/${body.id}`)).status,
      list: idsOf((await call(ada, 'POST', '/v1/memories/list', {})).body.items),
      lexical: idsOf((await call(ada, 'POST', '/v1/recall', { query: 'fleeting', mode: 'lexical' })).body.results),
      vector: idsOf((await call(ada, 'POST', '/v1/recall', { query: 'a fleeting remark', mode: 'vector' })).body.results),
    })
    await settle()
    expect(await present()).toEqual({ get: 200, list: [body.id], lexical: [body.id], vector: [body.id] })
    await adminSql(product(), 'update memories set expires_at = now() where id = $1::uuid', [body.id])
    expect(await present()).toEqual({ get: 404, list: [], lexical: [], vector: [] })
    expect((await call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: 'back' })).status).toBe(404)
    expect((await call(ada, 'DELETE', `/v1/memories/${body.id}`)).status).toBe(404)
  })

  test('a memory that is stored with a past expires_at is never seen', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'late', expires_at: '2020-01-01T00:00:00Z' })
    expect((await call(ada, 'GET', `/v1/memories/${body.id}`)).status).toBe(404)
    expect((await call(ada, 'POST', '/v1/recall', { query: 'late' })).body.results).toEqual([])
  })
})
