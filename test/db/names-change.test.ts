import { beforeAll, expect, test } from 'vitest'
import { backfillSessions } from '../../shared/db/migrations/0011-counting.ts'
import { rollupUsage } from '../../shared/usage/index.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

const kinds = ['namespaces', 'users', 'sessions'] as const

describeEngines('names as their memories come and go', (product) => {
  beforeAll(() => loseWakeUps(product()))
  const get = (caller: Caller, path: string) => product().call(caller, 'GET', path)

  test('a name disappears with its last memory, and is there again with the next one', async () => {
    const { call, tenant, local } = product()
    const ada = await tenant()
    const names = async () => {
      const pages = await Promise.all(['/v1/namespaces', '/v1/users?namespace=n', '/v1/sessions?namespace=n'].map((path) => get(ada, path)))
      return pages.map(({ body }) => body.items.map((one: { memories: number }) => one.memories))
    }
    const store = async () => (await call(ada, 'POST', '/v1/memories', { text: 'x', namespace: 'n', user_id: 'u', session_id: 's' })).body.id
    const ids = [await store(), await store()]
    for (const expected of [
      [[2], [2], [2]],
      [[1], [1], [1]],
      [[], [], []],
    ]) {
      expect(await names()).toEqual(expected)
      await local.runJob('rollup-usage')
      expect(await names()).toEqual(expected)
      const id = ids.pop()
      if (id) await call(ada, 'DELETE', `/v1/memories/${id}`)
    }
    await store()
    expect(await names()).toEqual([[1], [1], [1]])
  })

  test('the last activity is the newest change, forgetting too, and never a recall or an embedding', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    const scope = { user_id: 'u', session_id: 's' }
    const first = (await call(ada, 'POST', '/v1/memories', { text: 'x', ...scope })).body
    const activity = async () => new Set(await Promise.all(kinds.map(async (kind) => (await get(ada, `/v1/${kind}`)).body.items[0].last_activity)))
    expect(await activity()).toEqual(new Set([first.updated_at]))
    await call(ada, 'POST', '/v1/recall', { query: 'x', ...scope })
    await settle()
    expect(await activity()).toEqual(new Set([first.updated_at]))
    const patched = (await call(ada, 'PATCH', `/v1/memories/${first.id}`, { importance: 2 })).body
    expect(await activity()).toEqual(new Set([patched.updated_at]))
    const other = (await call(ada, 'POST', '/v1/memories', { text: 'y', ...scope })).body
    await call(ada, 'DELETE', `/v1/memories/${other.id}`)
    const [last] = await activity()
    expect(last >= other.updated_at && last > patched.updated_at).toBe(true)
    expect((await activity()).size).toBe(1)
  })

  test('counts are exact while stores, moves between users, forgets and rollups run at once', async () => {
    const { call, tenant, local } = product()
    const ada = await tenant()
    const signal = new AbortController().signal
    const place = (i: number, user: string) => ({ text: 'x', coord: `${i}`, user_id: user, session_id: user })
    const writer = async (i: number) => {
      await call(ada, 'POST', '/v1/memories', place(i, 'first'))
      await call(ada, 'POST', '/v1/memories', place(i, i % 2 ? 'second' : 'third'))
      const { body } = await call(ada, 'POST', '/v1/memories', { text: 'x', user_id: 'first', session_id: 'first' })
      await call(ada, 'DELETE', `/v1/memories/${body.id}`)
    }
    let writing = true
    const seen: number[] = []
    const reader = async () => {
      while (writing) {
        const [namespaces, users] = [(await get(ada, '/v1/namespaces')).body.items, (await get(ada, '/v1/users')).body.items]
        for (const one of [...namespaces, ...users]) seen.push(one.memories)
      }
    }
    const roller = async () => {
      while (writing) await rollupUsage(local.db.worker, signal)
    }
    const others = [reader(), roller(), roller()]
    await Promise.all(Array.from({ length: 16 }, (_, i) => writer(i)))
    writing = false
    await Promise.all(others)
    for (const memories of seen) expect(memories > 0 && memories <= 32).toBe(true)
    for (let run = 0; run < 2; run++) {
      for (const [kind, expected] of [
        ['namespaces', [['default', 16]]],
        [
          'users',
          [
            ['second', 8],
            ['third', 8],
          ],
        ],
        [
          'sessions',
          [
            ['second', 8],
            ['third', 8],
          ],
        ],
      ] as const) {
        const { items } = (await get(ada, `/v1/${kind}`)).body
        expect(items.map((one: Record<string, unknown>) => [one.namespace ?? one.session_id ?? one.user_id, one.memories])).toEqual(expected)
      }
      await local.runJob('rollup-usage')
    }
  })

  test('sessions of memories that were stored before sessions were counted are counted by the migration', async () => {
    const { call, tenant, local } = product()
    const ada = await tenant()
    const store = (text: string, session: string) => call(ada, 'POST', '/v1/memories', { text, session_id: session, coord: text })
    for (const text of ['1', '2', '3']) await store(text, 'old')
    await store('4', 'other')
    await local.runJob('rollup-usage')
    await store('1', 'other')
    await store('5', 'old')
    const before = (await get(ada, '/v1/sessions')).body
    expect(before.items).toMatchObject([
      { session_id: 'old', memories: 3 },
      { session_id: 'other', memories: 2 },
    ])
    await adminSql(product(), 'delete from sessions where tenant_id = $1::integer', [ada.tenantId])
    await adminSql(product(), 'delete from session_stats where tenant_id = $1::integer', [ada.tenantId])
    await adminSql(product(), backfillSessions)
    expect((await get(ada, '/v1/sessions')).body).toEqual(before)
    await local.runJob('rollup-usage')
    expect((await get(ada, '/v1/sessions')).body).toEqual(before)
  })
})
