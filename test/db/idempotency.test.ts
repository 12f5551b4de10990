import { expect, test } from 'vitest'
import { type Answer, type Caller, describeEngines, type Product } from '../support/engines.ts'
import { adminSql, rowCounts } from './admin.ts'

const key = (value: string) => ({ 'idempotency-key': value })
const replayed = (answer: Answer) => answer.headers.get('idempotent-replayed')
const count = async (product: Product, caller: Caller) => (await rowCounts(product, caller, ['memories'])).memories

// 8,000 calls an engine are for .ci/full
const tried = process.env.CI === 'true' && process.env.SOMA_FULL !== '1' ? 100 : 1_000

describeEngines('idempotency keys', (product) => {
  test('the same key and body answer the first status and ids again, and store once', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const body = { text: 'once', tags: ['x'] }
    const first = await call(ada, 'POST', '/v1/memories', body, key('k'))
    const second = await call(ada, 'POST', '/v1/memories', body, key('k'))
    expect([first.status, replayed(first)]).toEqual([201, null])
    expect([second.status, replayed(second), second.headers.get('etag')]).toEqual([201, 'true', '"1"'])
    expect({ ...second.body, index_state: 'pending' }).toEqual(first.body)
    expect(await rowCounts(product(), ada, ['memories', 'outbox', 'audit_log'])).toEqual({ memories: 1, outbox: 1, audit_log: 1 })
  })

  test('a replay answers the version that the call made, whatever was stored since', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { coord: '1', text: 'zero' })
    const body = { coord: '1', text: 'one' }
    const first = await call(ada, 'POST', '/v1/memories', body, key('k'))
    await call(ada, 'POST', '/v1/memories', { coord: '1', text: 'two' })
    for (const since of ['a newer version', 'the memory forgotten']) {
      const again = await call(ada, 'POST', '/v1/memories', body, key('k'))
      expect([since, again.status, again.body.id, again.body.version, again.body.text]).toEqual([since, 200, first.body.id, 2, 'one'])
      await call(ada, 'DELETE', `/v1/memories/${first.body.id}`)
    }
    expect(await count(product(), ada)).toBe(0)
  })

  test('the same key with another body, or for another operation, is a conflict', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const first = await call(ada, 'POST', '/v1/memories', { text: 'once' }, key('k'))
    const others = [
      await call(ada, 'POST', '/v1/memories', { text: 'twice' }, key('k')),
      await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'once' }] }, key('k')),
      await call(ada, 'PATCH', `/v1/memories/${first.body.id}`, { text: 'once' }, key('k')),
      await call(ada, 'DELETE', `/v1/memories/${first.body.id}`, undefined, key('k')),
    ]
    expect(others.map(({ status, body }) => [status, body.code])).toEqual(others.map(() => [409, 'idempotency_conflict']))
    expect(await count(product(), ada)).toBe(1)
  })

  test('twenty calls with one key at the same moment store one memory; each other replays it or is told to wait', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const answers = await Promise.all(Array.from({ length: 20 }, () => call(ada, 'POST', '/v1/memories', { text: 'once' }, key('k'))))
    const stored = answers.filter((answer) => answer.status === 201)
    const waiting = answers.filter((answer) => answer.status === 409)
    expect(stored.length + waiting.length).toBe(20)
    expect(stored.filter((answer) => replayed(answer) === null)).toHaveLength(1)
    expect(new Set(stored.map(({ body }) => body.id)).size).toBe(1)
    expect(waiting.map(({ body, headers }) => [body.code, headers.get('retry-after')])).toEqual(waiting.map(() => ['idempotency_in_progress', '1']))
    expect(await count(product(), ada)).toBe(1)
  })

  test(`64 clients who all try the same ${tried} keys until each is answered store ${tried} memories`, async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const keys = Array.from({ length: tried }, (_, i) => `key ${i}`)
    const ids = new Map<string, Set<string>>()
    const client = async (start: number) => {
      // every eighth key, beginning elsewhere: eight clients come to each key, at moments of their own
      for (let i = 0; i < keys.length; i += 8) {
        const text = keys[(start * 37 + i) % keys.length] as string
        for (;;) {
          const { status, body } = await call(ada, 'POST', '/v1/memories', { text }, key(text))
          if (status === 201) {
            ids.set(text, (ids.get(text) ?? new Set()).add(body.id))
            break
          }
          expect([status, body.code], JSON.stringify(body)).toEqual([409, 'idempotency_in_progress'])
        }
      }
    }
    await Promise.all(Array.from({ length: 64 }, (_, start) => client(start)))
    expect(await rowCounts(product(), ada, ['memories', 'outbox', 'audit_log'])).toEqual({ memories: ids.size, outbox: ids.size, audit_log: ids.size })
    expect([...ids.values()].every((one) => one.size === 1)).toBe(true)
    expect(ids.size).toBe(keys.length)
  }, 180_000)

  test('a call that failed leaves its key free', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const missing = '019a0000-0000-7000-8000-000000000000'
    const failures = [
      await call(ada, 'POST', '/v1/memories', { text: '' }, key('k')),
      await call(ada, 'POST', '/v1/memories', { text: 'newer', supersedes: missing }, key('k')),
      await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'x' }, { text: '' }] }, key('k')),
      await call(ada, 'PATCH', `/v1/memories/${missing}`, { text: 'x' }, key('k')),
      await call(ada, 'DELETE', `/v1/memories/${missing}`, undefined, key('k')),
    ]
    expect(failures.map(({ status }) => status)).toEqual([422, 422, 422, 404, 404])
    const stored = await call(ada, 'POST', '/v1/memories', { text: 'good' }, key('k'))
    expect([stored.status, replayed(stored)]).toEqual([201, null])
  })

  test('a key of another tenant does not matter', async () => {
    const { call, tenant } = product()
    const [ada, bob] = [await tenant(), await tenant()]
    const answers = [await call(ada, 'POST', '/v1/memories', { text: 'ada' }, key('k')), await call(bob, 'POST', '/v1/memories', { text: 'bob' }, key('k'))]
    expect(answers.map((answer) => [answer.status, replayed(answer)])).toEqual([
      [201, null],
      [201, null],
    ])
  })

  test('a key is kept for 24 hours and is free after that', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'once' }, key('k'))
    const age = (interval: string) => adminSql(product(), 'update idempotency set created_at = now() - $2::interval where tenant_id = $1::integer', [ada.tenantId, interval])
    await age('23 hours 59 minutes')
    expect(replayed(await call(ada, 'POST', '/v1/memories', { text: 'once' }, key('k')))).toBe('true')
    await age('24 hours 1 minute')
    const later = await call(ada, 'POST', '/v1/memories', { text: 'other' }, key('k'))
    expect([later.status, replayed(later)]).toEqual([201, null])
  })

  test('only ids, versions and places are kept with a key, never text', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'secret words' }, key('k'))
    const rows = await adminSql(product(), 'select status, result from idempotency where tenant_id = $1::integer', [ada.tenantId])
    expect(rows).toEqual([{ status: 201, result: [{ i: 0, id: body.id, version: 1, status: 'created' }] }])
  })
})
