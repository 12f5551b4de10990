import { expect, test } from 'vitest'
import { describeEngines } from '../support/engines.ts'
import { idsOf, rowCounts } from './admin.ts'

const written = ['memories', 'memory_versions', 'postings', 'vector_pending', 'outbox', 'outbox_ready', 'usage_deltas', 'audit_log', 'idempotency'] as const
const nothing = Object.fromEntries(written.map((table) => [table, 0]))

describeEngines('storing in bulk', (product) => {
  test('500 items are stored in their order, each found by its own words', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const items = Array.from({ length: 500 }, (_, i) => ({ text: `note number${i} about gardening`, tags: [`t${i % 7}`] }))
    const { status, body } = await call(ada, 'POST', '/v1/memories/bulk', { items })
    expect(status).toBe(200)
    expect(body).toMatchObject({ created: 500, updated: 0, duplicate: 0, failed: 0 })
    expect(body.results.map((one: { index: number }) => one.index)).toEqual(items.map((_, i) => i))
    expect(new Set(idsOf(body.results)).size).toBe(500)
    expect((await call(ada, 'GET', `/v1/memories/${body.results[321].id}`)).body.text).toBe(items[321]?.text)
    const found = await call(ada, 'POST', '/v1/recall', { query: 'number321', mode: 'lexical' })
    expect(idsOf(found.body.results)[0]).toBe(body.results[321].id)
    // words that begin like it count half
    expect(found.body.results[1].score).toBeLessThan(found.body.results[0].score * 0.6)
    const listed = await call(ada, 'POST', '/v1/memories/list', { limit: 500, order_by: 'created_at asc' })
    expect(idsOf(listed.body.items)).toEqual(idsOf(body.results))
  })

  test('501 items, or none, are refused and nothing is stored', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    for (const count of [0, 501]) {
      const { status, body } = await call(ada, 'POST', '/v1/memories/bulk', { items: Array.from({ length: count }, () => ({ text: 'x' })) })
      expect([status, body.code, body.errors]).toEqual([422, 'invalid', [{ pointer: '/items', detail: 'takes 1 to 500 items' }]])
    }
    expect(await rowCounts(product(), ada, written)).toEqual(nothing)
  })

  test('an atomic bulk with wrong items names each of them and stores nothing anywhere', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const items = [{ text: 'good' }, { text: '' }, { text: 'good', color: 'red' }, { text: 'good', importance: 11 }, { coord: 'x', text: 'good' }]
    const { status, body } = await call(ada, 'POST', '/v1/memories/bulk', { items }, { 'idempotency-key': 'k' })
    expect([status, body.code]).toEqual([422, 'invalid'])
    expect(body.errors.map((one: { pointer: string }) => one.pointer)).toEqual(['/items/1/text', '/items/2/color', '/items/3/importance', '/items/4/coord'])
    expect(await rowCounts(product(), ada, written)).toEqual(nothing)
  })

  test('an atomic bulk whose error only the database sees stores nothing anywhere', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const items = [{ text: 'good' }, { text: 'newer', supersedes: '019a0000-0000-7000-8000-000000000000', idempotency_key: 'i' }]
    const { status, body } = await call(ada, 'POST', '/v1/memories/bulk', { items }, { 'idempotency-key': 'k' })
    expect([status, body.code, body.errors]).toEqual([422, 'invalid', [{ pointer: '/items/1/supersedes', detail: 'there is no memory with this id' }]])
    expect(await rowCounts(product(), ada, written)).toEqual(nothing)
  })

  test('atomic: false stores the good items and says of each other why not', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const items = [{ text: 'good' }, { text: '' }, { text: 'newer', supersedes: '019a0000-0000-7000-8000-000000000000' }, { coord: '1', text: 'also good' }]
    const { status, body } = await call(ada, 'POST', '/v1/memories/bulk', { items, atomic: false })
    expect([status, body.created, body.failed]).toEqual([200, 2, 2])
    expect(body.results.map((one: { index: number; status: string }) => [one.index, one.status])).toEqual([
      [0, 'created'],
      [1, 'failed'],
      [2, 'failed'],
      [3, 'created'],
    ])
    expect(body.results[1].problem).toMatchObject({ code: 'invalid', status: 422, errors: [{ pointer: '/text', detail: 'must not be empty' }] })
    expect(body.results[2].problem).toMatchObject({ code: 'invalid', errors: [{ pointer: '/supersedes', detail: 'there is no memory with this id' }] })
    expect((await call(ada, 'POST', '/v1/memories/list', {})).body.items).toHaveLength(2)
    expect(await rowCounts(product(), ada, ['memories', 'outbox'])).toEqual({ memories: 2, outbox: 2 })
  })

  test('atomic: false with wrong items only answers 200 and stores nothing', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const withAndWithoutKey: Record<string, string>[] = [{}, { 'idempotency-key': 'k' }]
    for (const headers of withAndWithoutKey) {
      const { status, body } = await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: '' }], atomic: false }, headers)
      expect([status, body.created, body.failed]).toEqual([200, 0, 1])
    }
    expect(await rowCounts(product(), ada, ['memories', 'outbox', 'usage_deltas', 'audit_log'])).toEqual({ memories: 0, outbox: 0, usage_deltas: 0, audit_log: 0 })
  })

  test('one transaction holds a memory with its words, event, usage and audit', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'alpha beta alpha', tags: ['x'] }, { 'idempotency-key': 'k' })
    expect(await rowCounts(product(), ada, ['memories', 'postings', 'outbox', 'usage_deltas', 'audit_log', 'idempotency'])).toEqual({
      memories: 1,
      postings: 3,
      outbox: 1,
      usage_deltas: 1,
      audit_log: 1,
      idempotency: 1,
    })
  })
})
