import { expect, test } from 'vitest'
import { type Caller, describeEveryEngine, type Product } from '../support/engines.ts'
import { adminSql, capture, loseWakeUps } from './admin.ts'

type Version = { version: number; state: string; text: string }
const versionsOf = async (product: Product, caller: Caller, id: string): Promise<Version[]> => {
  const { body } = await product.call(caller, 'GET', `/v1/memories/${id}/history`)
  return body.items.map(({ version, state, text }: Version) => ({ version, state, text }))
}

describeEveryEngine('coords', (product) => {
  test('a coord creates once, then makes new versions of the same memory', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const first = await call(ada, 'POST', '/v1/memories', { coord: '4,5', text: 'first', tags: ['old'] })
    const second = await call(ada, 'POST', '/v1/memories', { coord: '4,5', text: 'second' })
    expect([first.status, second.status]).toEqual([201, 200])
    expect(second.body).toMatchObject({ id: first.body.id, version: 2, created_at: first.body.created_at, text: 'second', tags: [] })
    expect(second.headers.get('etag')).toBe('"2"')
    const { index_state: _state, ...read } = (await call(ada, 'GET', `/v1/memories/${first.body.id}`)).body
    expect(second.body).toMatchObject(read)
    expect((await call(ada, 'POST', '/v1/recall', { query: 'first', mode: 'lexical' })).body.results).toEqual([])
    expect(await versionsOf(product(), ada, first.body.id)).toEqual([
      { version: 1, state: 'closed', text: 'first' },
      { version: 2, state: 'open', text: 'second' },
    ])
  })

  test('every spelling of a coord is one place', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const spellings = ['1,2,0', '1, 2.0,0', '1e0,+2,-0', ' 1.0 ,0.2e1,0e5', '001,2.,.0']
    const answers = []
    for (const coord of spellings) answers.push(await call(ada, 'POST', '/v1/memories', { coord, text: coord }))
    expect(answers.map(({ body }) => body.coord)).toEqual(spellings.map(() => '1,2,0'))
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
    expect(answers.map(({ body }) => body.version)).toEqual([1, 2, 3, 4, 5])
  })

  test('one coord is another place in each namespace and in each tenant', async () => {
    const { call, tenant } = product()
    const [ada, bob] = [await tenant(), await tenant()]
    const one = await call(ada, 'POST', '/v1/memories', { coord: '1', text: 'default' })
    const two = await call(ada, 'POST', '/v1/memories', { coord: '1', text: 'other', namespace: 'other' })
    const three = await call(bob, 'POST', '/v1/memories', { coord: '1', text: 'bob' })
    expect([one.status, two.status, three.status]).toEqual([201, 201, 201])
    expect(new Set([one.body.id, two.body.id, three.body.id]).size).toBe(3)
  })

  test('the same coord several times in one bulk is versions in their order, each with an event of its own', async () => {
    await loseWakeUps(product())
    const { call, tenant } = product()
    const ada = await tenant()
    const before = await call(ada, 'POST', '/v1/memories', { coord: '7', text: 'zero' })
    const items = ['one', 'two', 'three'].map((text) => ({ coord: '7.0', text }))
    const { status, body } = await call(ada, 'POST', '/v1/memories/bulk', { items: [items[0], { text: 'between' }, ...items.slice(1)] })
    expect(status).toBe(200)
    expect(body).toMatchObject({ created: 1, updated: 3, duplicate: 0, failed: 0 })
    expect(body.results.map((one: { version: number }) => one.version)).toEqual([2, 1, 3, 4])
    expect(await versionsOf(product(), ada, before.body.id)).toEqual(['zero', 'one', 'two', 'three'].map((text, i) => ({ version: i + 1, state: i < 3 ? 'closed' : 'open', text })))
    const outbox = capture(product())
    await outbox.drain()
    const events = outbox
      .of(ada)
      .map((record) => JSON.parse(record.value as string))
      .filter((event) => event.id === before.body.id)
    expect(events.map(({ type, version, payload }) => [type, version, payload.text])).toEqual([
      ['created', 1, 'zero'],
      ['updated', 2, 'one'],
      ['updated', 3, 'two'],
      ['updated', 4, 'three'],
    ])
  })

  test('a coord that was forgotten begins a new memory', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const first = await call(ada, 'POST', '/v1/memories', { coord: '3', text: 'first life' })
    await call(ada, 'DELETE', `/v1/memories/${first.body.id}`)
    const again = await call(ada, 'POST', '/v1/memories', { coord: '3', text: 'second life' })
    expect([again.status, again.body.version]).toEqual([201, 1])
    expect(again.body.id).not.toBe(first.body.id)
  })

  test('writers of one coord at the same moment each make a version, without a gap', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => call(ada, 'POST', '/v1/memories', { coord: '9,9', text: `writer ${i}` })))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(11)
    expect(answers.map(({ body }) => body.version).sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
    expect(await versionsOf(product(), ada, answers[0]?.body.id)).toHaveLength(12)
  })

  test('bulks that name the same coords in another order do not stop each other', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const coords = Array.from({ length: 20 }, (_, i) => `${i}`)
    const bulk = (order: string[]) => call(ada, 'POST', '/v1/memories/bulk', { items: order.map((coord) => ({ coord, text: `at ${coord}` })) })
    const answers = await Promise.all([coords, coords.toReversed(), coords, coords.toReversed()].map(bulk))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    const rows = await adminSql<{ version: number }>(product(), 'select version from memories where tenant_id = $1::integer', [ada.tenantId])
    expect(rows.map((row) => row.version)).toEqual(coords.map(() => 4))
  })
})

describeEveryEngine(
  'coords on tables without statistics',
  (product) => {
    test('are looked up in their own index, however many there are', async () => {
      const { call, tenant } = product()
      for (const part of '01234567') await adminSql(product(), `alter table memories_p${part} set (autovacuum_enabled = false)`)
      const ada = await tenant()
      for (let bulk = 0; bulk < 8; bulk++) {
        const items = Array.from({ length: 400 }, (_, i) => ({ coord: String(bulk * 400 + i), text: `at ${bulk * 400 + i}` }))
        expect((await call(ada, 'POST', '/v1/memories/bulk', { items })).status).toBe(200)
      }
      for (const path of ['/memories/7', '/memories/3199']) expect((await call(ada, 'GET', path)).status).toBe(200)
      // a connection tells at most once a second what it has read: of eight bulks most is known
      const [row] = await adminSql<{ read: string }>(
        product(),
        `select sum(idx_tup_read) as read from pg_stat_user_indexes where relname like 'memories_p%' and indexrelname like '%namespace_key_created_at%'`,
      )
      expect(Number(row?.read)).toBeLessThan(100_000)
    })
  },
  ['postgres 18', 'postgres 16'],
)

/** A change of the memory that has the coord, still uncommitted while a store to that coord waits for it. */
describeEveryEngine(
  'a store to a coord that another transaction changes',
  (product) => {
    test.each([
      ['forgets', `select forget_memory($1::integer, $2::uuid, null, '{"actor":"test","action":"memory.forget"}')`, 201, [1]],
      ['supersedes', `select supersede_memory($1::integer, $2::uuid, gen_random_uuid(), now(), now(), null)`, 200, [1, 2, 3]],
    ])('%s at the same moment leaves every version number once', async (_name, text, status, versions) => {
      const { call, tenant, local } = product()
      const ada = await tenant()
      const first = await call(ada, 'POST', '/v1/memories', { coord: '1', text: 'first' })
      const [ready, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const other = local.db.app.transaction({ role: 'soma_app', tenantId: ada.tenantId }, async (tx) => {
        await tx.query(text, [ada.tenantId, first.body.id])
        ready.resolve()
        await release.promise
      })
      await ready.promise
      const store = call(ada, 'POST', '/v1/memories', { coord: '1', text: 'second' })
      const waiting = `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%store_memories%'`
      await expect.poll(() => adminSql(product(), waiting), { timeout: 10_000 }).toHaveLength(1)
      release.resolve()
      await other
      const stored = await store
      expect(stored.status).toBe(status)
      expect((await versionsOf(product(), ada, stored.body.id)).map((one) => one.version)).toEqual(versions)
      expect(stored.body.version).toBe(versions.at(-1))
    })
  },
  ['postgres 18', 'postgres 16'],
)
