import { expect, test } from 'vitest'
import { type Answer, type Caller, describeEngines, type Product } from '../support/engines.ts'
import { idsOf } from './admin.ts'

/** All pages of a list; `between` runs after each. */
async function pages(product: Product, caller: Caller, query: Record<string, unknown>, between: () => Promise<unknown> = async () => {}): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const { status, body }: Answer = await product.call(caller, 'POST', '/v1/memories/list', { ...query, ...(cursor ? { cursor } : {}) })
    expect(status).toBe(200)
    ids.push(...idsOf(body.items))
    cursor = body.next_cursor
    await between()
  }
  return ids
}

describeEngines('listing', (product) => {
  test('pages join without gaps or repeats, in every order, while new memories arrive', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const items = Array.from({ length: 47 }, (_, i) => ({ text: `note ${i}`, occurred_at: new Date(Date.UTC(2026, 0, 1 + ((i * 7) % 10))).toISOString() }))
    // two bulks: within each all created_at are the same, so that only the tie-break orders them
    const stored = idsOf((await call(ada, 'POST', '/v1/memories/bulk', { items: items.slice(0, 25) })).body.results)
    stored.push(...idsOf((await call(ada, 'POST', '/v1/memories/bulk', { items: items.slice(25) })).body.results))
    let arrived = 0
    const arrive = () => call(ada, 'POST', '/v1/memories', { text: 'a new arrival', occurred_at: new Date(Date.UTC(2026, 0, 1 + (arrived++ % 10))).toISOString() })
    const old = (ids: string[]) => ids.filter((id) => stored.includes(id))
    const newest = await pages(product(), ada, { limit: 10 }, arrive)
    expect(old(newest)).toEqual(stored.toReversed())
    for (const field of ['created_at', 'updated_at', 'occurred_at']) {
      const descending = await pages(product(), ada, { limit: 7, order_by: `${field} desc` }, arrive)
      const ascending = await pages(product(), ada, { limit: 7, order_by: `${field} asc` })
      expect([new Set(descending).size, new Set(old(descending)).size]).toEqual([descending.length, 47])
      expect(old(ascending)).toEqual(old(descending).toReversed())
    }
  })

  test('memories without a time of their own have their place among the others by the time of storing', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const stored = []
    for (const day of [1, 2, 3, 4, 5]) stored.push(await call(ada, 'POST', '/v1/memories', { text: `day ${day}`, occurred_at: `2020-01-0${day}T00:00:00Z` }))
    const timeless = [stored[1], stored[3]].map((one) => one?.body.id)
    for (const id of timeless) await call(ada, 'PATCH', `/v1/memories/${id}`, { occurred_at: null })
    const expected = [stored[0], stored[2], stored[4], stored[1], stored[3]].map((one) => one?.body.id)
    for (const limit of [1, 2, 50]) {
      expect(await pages(product(), ada, { order_by: 'occurred_at asc', limit })).toEqual(expected)
      expect(await pages(product(), ada, { order_by: 'occurred_at desc', limit })).toEqual(expected.toReversed())
    }
  })

  test('a cursor is good for its own query and tenant only', async () => {
    const { call, tenant } = product()
    const [ada, bob] = [await tenant(), await tenant()]
    for (const caller of [ada, bob]) await call(caller, 'POST', '/v1/memories/bulk', { items: [{ text: 'a' }, { text: 'b' }, { text: 'c' }] })
    const query = { limit: 1, filters: { text: { ne: 'z' } } }
    const { next_cursor: cursor } = (await call(ada, 'POST', '/v1/memories/list', query)).body
    const refused = [
      await call(bob, 'POST', '/v1/memories/list', { ...query, cursor }),
      await call(ada, 'POST', '/v1/memories/list', { limit: 1, cursor }),
      await call(ada, 'POST', '/v1/memories/list', { ...query, namespace: 'other', cursor }),
      await call(ada, 'POST', '/v1/memories/list', { ...query, order_by: 'created_at asc', cursor }),
      await call(ada, 'POST', '/v1/memories/list', { ...query, cursor: `${cursor}x` }),
    ]
    expect(refused.map(({ status, body }) => [status, body.errors[0].pointer])).toEqual(refused.map(() => [422, '/cursor']))
    expect((await call(ada, 'POST', '/v1/memories/list', { ...query, limit: 2, cursor })).body.items).toHaveLength(2)
  })

  test('scope ids choose, top level and in filters, and each namespace stands alone', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const names = ['user_id', 'agent_id', 'app_id', 'run_id', 'session_id'] as const
    for (const name of names) for (const value of ['x', 'y']) await call(ada, 'POST', '/v1/memories', { text: `${name} ${value}`, [name]: value })
    await call(ada, 'POST', '/v1/memories', { text: 'elsewhere', namespace: 'n', user_id: 'x' })
    for (const name of names) {
      for (const query of [{ [name]: 'x' }, { filters: { [name]: 'x' } }, { filters: { [name]: { in: ['x', 'z'] } } }]) {
        const { body } = await call(ada, 'POST', '/v1/memories/list', query)
        expect(body.items.map((one: { text: string }) => one.text)).toEqual([`${name} x`])
      }
    }
    expect((await call(ada, 'POST', '/v1/memories/list', { namespace: 'n' })).body.items).toHaveLength(1)
    expect((await call(ada, 'POST', '/v1/memories/list', {})).body.items).toHaveLength(10)
  })

  test('a list shows only what is true now, the newest first', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'to come', valid_from: '2999-01-01T00:00:00Z' })
    await call(ada, 'POST', '/v1/memories', { text: 'over', valid_to: '2020-01-01T00:00:00Z' })
    const one = await call(ada, 'POST', '/v1/memories', { text: 'one' })
    const two = await call(ada, 'POST', '/v1/memories', { text: 'two' })
    const { body } = await call(ada, 'POST', '/v1/memories/list', {})
    expect(idsOf(body.items)).toEqual([two.body.id, one.body.id])
    expect(body.next_cursor).toBeNull()
  })
})
