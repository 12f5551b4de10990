import { expect, test } from 'vitest'
import { type Answer, describeEngines } from '../support/engines.ts'
import { adminSql, idsOf } from './admin.ts'

const missing = '019a0000-0000-7000-8000-000000000000'

describeEngines('patching', (product) => {
  test('a patch merges: what it names changes, null removes, objects merge inside, the rest stays', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const stored = await call(ada, 'POST', '/v1/memories', {
      text: 'Ada drinks tea',
      payload: { drink: { name: 'tea', hot: true }, list: [1, 2] },
      metadata: { source: 'chat', seen: { by: 'u1', at: 'noon' } },
      tags: ['drink'],
      importance: 5,
      speaker: 'Ada',
      user_id: 'u',
      memory_type: 'semantic',
      valid_to: '2999-01-01T00:00:00.000Z',
    })
    const patch = {
      payload: { drink: { hot: null, sugar: 1 }, list: [3] },
      metadata: { seen: { at: null }, mood: 'good' },
      tags: ['tea'],
      importance: null,
      speaker: null,
      valid_to: null,
    }
    const patched = await call(ada, 'PATCH', `/v1/memories/${stored.body.id}`, patch)
    expect([patched.status, patched.headers.get('etag')]).toEqual([200, '"2"'])
    expect(patched.body).toEqual({
      ...stored.body,
      version: 2,
      updated_at: patched.body.updated_at,
      payload: { drink: { name: 'tea', sugar: 1 }, list: [3] },
      metadata: { source: 'chat', seen: { by: 'u1' }, mood: 'good' },
      tags: ['tea'],
      importance: 1,
      speaker: null,
      valid_to: null,
    })
    expect(Date.parse(patched.body.updated_at)).toBeGreaterThanOrEqual(Date.parse(stored.body.updated_at))
    await product().settle()
    expect((await call(ada, 'GET', `/v1/memories/${stored.body.id}`)).body).toEqual({ ...patched.body, index_state: 'indexed' })
  })

  test('a null removes the whole payload or metadata, and a memory keeps its text', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'kept', payload: { a: 1 }, metadata: { b: 2 }, tags: ['c'] })
    const patched = await call(ada, 'PATCH', `/v1/memories/${body.id}`, { payload: null, metadata: null, tags: null })
    expect(patched.body).toMatchObject({ text: 'kept', payload: null, metadata: {}, tags: [] })
  })

  test('a text that came from the payload follows it, a text of its own does not', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const derived = await call(ada, 'POST', '/v1/memories', { payload: { note: 'green tea', n: 1 } })
    const own = await call(ada, 'POST', '/v1/memories', { text: 'my words', payload: { note: 'green tea' } })
    const patch = { payload: { note: 'black coffee' } }
    expect((await call(ada, 'PATCH', `/v1/memories/${derived.body.id}`, patch)).body.text).toBe('black coffee')
    expect((await call(ada, 'PATCH', `/v1/memories/${own.body.id}`, patch)).body.text).toBe('my words')
    expect(idsOf((await call(ada, 'POST', '/v1/recall', { query: 'coffee', mode: 'lexical' })).body.results)).toEqual([derived.body.id])
    expect((await call(ada, 'POST', '/v1/recall', { query: 'green', mode: 'lexical' })).body.results).toEqual([])
  })

  test('a patched text is found by its new words and meaning only, before and after it is indexed', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'zebra' })
    await settle()
    await call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: 'ostrich' })
    for (const round of ['pending', 'indexed']) {
      const scores = async (query: string) => (await call(ada, 'POST', '/v1/recall', { query, mode: 'vector', threshold: 0.9 })).body.results
      expect([round, idsOf(await scores('ostrich')), await scores('zebra')]).toEqual([round, [body.id], []])
      await settle()
    }
  })

  test('If-Match lets only the present version be changed, and says which that is', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'one' })
    const path = `/v1/memories/${body.id}`
    const statuses: number[] = []
    for (const match of ['"1"', '"1"', '2', '*', '"9"']) statuses.push((await call(ada, 'PATCH', path, { text: `after ${match}` }, { 'if-match': match })).status)
    expect(statuses).toEqual([200, 412, 200, 200, 412])
    const stale = await call(ada, 'DELETE', path, undefined, { 'if-match': '"1"' })
    expect([stale.status, stale.body.code, stale.body.detail]).toEqual([412, 'precondition_failed', 'The memory is at version 4 now: read it again and repeat with that If-Match.'])
    const read = await call(ada, 'GET', path)
    expect([read.headers.get('etag'), read.body.version, read.body.text]).toEqual(['"4"', 4, 'after *'])
    expect((await call(ada, 'DELETE', path, undefined, { 'if-match': '"4"' })).status).toBe(204)
  })

  test('of ten patches with one If-Match at the same moment exactly one wins', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'start' })
    const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: `writer ${i}` }, { 'if-match': '"1"' })))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 9 }, () => 412)])
    const winner = answers.find(({ status }) => status === 200) as Answer
    expect((await call(ada, 'GET', `/v1/memories/${body.id}`)).body).toMatchObject({ version: 2, text: winner.body.text })
  })

  test('patches and stores of one coord at the same moment each make a version', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'start', coord: '1' })
    const writers = Array.from({ length: 10 }, (_, i) =>
      i % 2 ? call(ada, 'PATCH', `/v1/memories/${body.id}`, { metadata: { [`w${i}`]: i } }) : call(ada, 'POST', '/v1/memories', { coord: '1', text: `writer ${i}` }),
    )
    expect((await Promise.all(writers)).map(({ status }) => status)).toEqual(writers.map(() => 200))
    const history = await call(ada, 'GET', `/v1/memories/${body.id}/history`)
    expect(history.body.items.map((one: { version: number }) => one.version)).toEqual(Array.from({ length: 11 }, (_, i) => i + 1))
  })

  test('a patch that breaks the contract is refused and changes nothing', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'one', valid_from: '2026-01-01T00:00:00Z' })
    for (const patch of [{}, { text: null }, { text: '' }, { user_id: 'other' }, { coord: '1' }, { valid_to: '2025-01-01T00:00:00Z' }, { importance: 11 }]) {
      expect((await call(ada, 'PATCH', `/v1/memories/${body.id}`, patch)).status).toBe(422)
    }
    expect((await call(ada, 'GET', `/v1/memories/${body.id}`)).body.version).toBe(1)
    expect((await call(ada, 'PATCH', `/v1/memories/${missing}`, { text: 'x' })).status).toBe(404)
  })
})

describeEngines('forgetting', (product) => {
  test('a forgotten memory is gone from every present-time answer at once', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'a secret wish', tags: ['t'], memory_type: 'semantic' })
    await settle()
    const forgotten = await call(ada, 'DELETE', `/v1/memories/${body.id}`)
    expect([forgotten.status, forgotten.text]).toEqual([204, ''])
    expect((await call(ada, 'GET', `/v1/memories/${body.id}`)).status).toBe(404)
    expect((await call(ada, 'DELETE', `/v1/memories/${body.id}`)).status).toBe(404)
    expect((await call(ada, 'POST', '/v1/memories/list', { filters: { tags: { contains: 't' } } })).body.items).toEqual([])
    for (const mode of ['lexical', 'vector', 'hybrid']) expect((await call(ada, 'POST', '/v1/recall', { query: 'a secret wish', mode })).body.results).toEqual([])
    expect((await call(ada, 'GET', '/stats')).body).toEqual({ total_memories: 0, episodic: 0, semantic: 0, namespace: 'default' })
    for (const table of ['memories', 'postings', 'vectors', 'vector_pending']) {
      expect(await adminSql(product(), `select 1 from ${table} where tenant_id = $1::integer`, [ada.tenantId])).toEqual([])
    }
  })

  test('history keeps every version in order, ends with a tombstone without text, and needs its own scope', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'one', payload: { a: 1 }, coord: '1' })
    await call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: 'two' })
    await call(ada, 'DELETE', `/v1/memories/${body.id}`)
    const history = await call(ada, 'GET', `/v1/memories/${body.id}/history`)
    expect(history.body.items.map(({ version, state, text, payload }: Record<string, unknown>) => [version, state, text, payload])).toEqual([
      [1, 'closed', 'one', { a: 1 }],
      [2, 'closed', 'two', { a: 1 }],
      [3, 'deleted', '', null],
    ])
    const [one, two] = history.body.items
    expect([one.closed_at, two.created_at]).toEqual([two.updated_at, one.created_at])
    const closed = history.body.items.map((version: { closed_at: string | null }) => version.closed_at)
    expect(closed.every((at: string | null) => typeof at === 'string')).toBe(true)
    const blind = { ...ada, key: (await call(ada, 'POST', '/v1/keys', { scopes: ['memory:read'] })).body.key }
    expect((await call(blind, 'GET', `/v1/memories/${body.id}/history`)).status).toBe(403)
    expect((await call(ada, 'GET', `/v1/memories/${missing}/history`)).status).toBe(404)
  })

  test('a long history is read by pages without gaps', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 230 }, (_, i) => ({ coord: '1', text: `version ${i + 1}` })) })
    const [{ id }] = (await call(ada, 'POST', '/v1/memories/list', {})).body.items
    const versions: number[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body }: Answer = await call(ada, 'GET', `/v1/memories/${id}/history${cursor && `?cursor=${encodeURIComponent(cursor)}`}`)
      versions.push(...body.items.map((one: { version: number }) => one.version))
      cursor = body.next_cursor
    }
    expect(versions).toEqual(Array.from({ length: 230 }, (_, i) => i + 1))
  })
})
