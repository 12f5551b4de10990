import { expect, test } from 'vitest'
import { type Answer, describeEngines } from '../support/engines.ts'
import { rowCounts } from './admin.ts'

const key = (value: string) => ({ 'idempotency-key': value })
const replayed = (answer: Answer) => answer.headers.get('idempotent-replayed')
const missing = '019a0000-0000-7000-8000-000000000000'

describeEngines('idempotency keys of bulks', (product) => {
  test('a repeated bulk answers the same results and stores nothing more', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const body = { items: [{ text: 'one' }, { coord: '1', text: 'two' }, { coord: '1', text: 'three' }] }
    const first = await call(ada, 'POST', '/v1/memories/bulk', body, key('k'))
    const second = await call(ada, 'POST', '/v1/memories/bulk', body, key('k'))
    expect([second.status, replayed(second)]).toEqual([200, 'true'])
    expect(second.body).toEqual(first.body)
    expect(await rowCounts(product(), ada, ['memories', 'outbox'])).toEqual({ memories: 2, outbox: 3 })
  })

  test('a repeated bulk without atomicity names the items that failed again', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const body = { items: [{ text: 'one' }, { text: '' }, { text: 'newer', supersedes: missing }], atomic: false }
    const first = await call(ada, 'POST', '/v1/memories/bulk', body, key('k'))
    const second = await call(ada, 'POST', '/v1/memories/bulk', body, key('k'))
    const shape = (answer: Answer) => answer.body.results.map((one: Record<string, unknown>) => [one.index, one.id, one.status])
    expect([second.status, replayed(second), second.body.failed]).toEqual([200, 'true', 2])
    expect(shape(second)).toEqual(shape(first))
  })

  test('an item whose key was seen before is a duplicate with the first id, and the others are stored', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const seen = { text: 'seen', idempotency_key: 'i1' }
    const first = await call(ada, 'POST', '/v1/memories/bulk', { items: [seen] })
    const second = await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'new', idempotency_key: 'i2' }, seen, { text: 'free' }] })
    expect(second.body).toMatchObject({ created: 2, duplicate: 1, failed: 0 })
    expect(second.body.results[1]).toEqual({ index: 1, id: first.body.results[0].id, version: 1, status: 'duplicate' })
    const third = await call(ada, 'POST', '/v1/memories/bulk', { items: [seen] })
    expect(third.body).toMatchObject({ created: 0, duplicate: 1 })
    expect(await rowCounts(product(), ada, ['memories', 'outbox'])).toEqual({ memories: 3, outbox: 3 })
  })

  test('an item whose key stands for another body fails alone, or stops an atomic bulk', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'seen', idempotency_key: 'i1' }] })
    const items = [{ text: 'new' }, { text: 'other', idempotency_key: 'i1' }]
    const atomic = await call(ada, 'POST', '/v1/memories/bulk', { items })
    expect([atomic.status, atomic.body.code, atomic.body.errors[0].pointer]).toEqual([409, 'idempotency_conflict', '/items/1/idempotency_key'])
    expect(await rowCounts(product(), ada, ['memories'])).toEqual({ memories: 1 })
    const each = await call(ada, 'POST', '/v1/memories/bulk', { items, atomic: false })
    expect(each.body).toMatchObject({ created: 1, failed: 1, results: [{ status: 'created' }, { status: 'failed', problem: { code: 'idempotency_conflict', status: 409 } }] })
  })

  test('one key at two items of a bulk is refused', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const item = { text: 'same', idempotency_key: 'i' }
    const { status, body } = await call(ada, 'POST', '/v1/memories/bulk', { items: [item, item] })
    expect([status, body.errors[0].pointer]).toEqual([422, '/items/1/idempotency_key'])
    expect(await rowCounts(product(), ada, ['memories'])).toEqual({ memories: 0 })
  })
})

describeEngines('idempotency keys of changes', (product) => {
  test('a repeated patch makes one version, also with the If-Match that it outdated itself, also when the memory is gone', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'one' })
    const patch = () => call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: 'two' }, { ...key('k'), 'if-match': '"1"' })
    const first = await patch()
    const second = await patch()
    expect([first.status, first.body.version, replayed(first)]).toEqual([200, 2, null])
    expect([second.status, second.body.version, second.body.text, replayed(second)]).toEqual([200, 2, 'two', 'true'])
    await call(ada, 'DELETE', `/v1/memories/${body.id}`)
    const third = await patch()
    expect([third.status, third.body.id, third.body.version, replayed(third)]).toEqual([200, body.id, 2, 'true'])
  })

  test('a repeated patch answers the version it made, not what came after it', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body: memory } = await call(ada, 'POST', '/v1/memories', { text: 'first' })
    const path = `/v1/memories/${memory.id}`
    await call(ada, 'PATCH', path, { text: 'second' }, key('p'))
    await call(ada, 'PATCH', path, { text: 'third' })
    const again = await call(ada, 'PATCH', path, { text: 'second' }, key('p'))
    expect([again.status, replayed(again), again.headers.get('etag')]).toEqual([200, 'true', '"2"'])
    expect(again.body).toMatchObject({ id: memory.id, version: 2, text: 'second' })
    expect((await call(ada, 'GET', path)).body).toMatchObject({ version: 3, text: 'third' })
  })

  test('a patch that was refused as stale leaves its key free', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'one' })
    const stale = await call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: 'two' }, { ...key('k'), 'if-match': '"7"' })
    expect(stale.status).toBe(412)
    const good = await call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: 'two' }, { ...key('k'), 'if-match': '"1"' })
    expect([good.status, good.body.version, replayed(good)]).toEqual([200, 2, null])
  })

  test('a repeated delete answers 204 again, and without the key 404', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'one' })
    const path = `/v1/memories/${body.id}`
    const answers = [await call(ada, 'DELETE', path, undefined, key('k')), await call(ada, 'DELETE', path, undefined, key('k')), await call(ada, 'DELETE', path)]
    expect(answers.map((answer) => [answer.status, replayed(answer)])).toEqual([
      [204, null],
      [204, 'true'],
      [404, null],
    ])
    expect((await rowCounts(product(), ada, ['outbox'])).outbox).toBe(2)
  })
})
