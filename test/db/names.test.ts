import { beforeAll, expect, test } from 'vitest'
import type { Sql } from '../../shared/db/index.ts'
import { listUsers } from '../../shared/usage/index.ts'
import { mostNames } from '../../shared/usage/names.ts'
import { expectProblem } from '../http/checks.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { loseWakeUps } from './admin.ts'

const odd = [
  '%',
  '_',
  '%%',
  'a',
  'A',
  'a\u0308',
  'ä',
  'a b',
  ' ',
  '\\',
  "'",
  '"',
  '?&=#',
  '😀',
  '～',
  '\u{10ffff}',
  '字'.repeat(256),
  'x'.repeat(256),
  'x'.repeat(255),
  '0',
  '-1',
  'null',
  '\n',
]
const inBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
const kinds = ['namespaces', 'users', 'sessions'] as const

describeEngines('names with their counts', (product) => {
  beforeAll(() => loseWakeUps(product()))
  const get = (caller: Caller, path: string) => product().call(caller, 'GET', path)
  const query = (fields: Record<string, string | number>) => new URLSearchParams(Object.entries(fields).map(([name, value]): [string, string] => [name, String(value)]))
  async function every(caller: Caller, path: string, fields: Record<string, string | number>, field: string): Promise<string[]> {
    const names: string[] = []
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const { status, body, text } = await get(caller, `${path}?${query({ ...fields, ...(cursor ? { cursor } : {}) })}`)
      expect(status, text).toBe(200)
      names.push(...body.items.map((one: Record<string, string>) => one[field]))
      cursor = body.next_cursor
    }
    return names
  }

  test('pages of any size name each once, in the order of their bytes, whatever is in a name', async () => {
    const ada = await product().tenant()
    const items = [
      ...odd.map((namespace) => ({ text: 'x', namespace })),
      ...odd.map((user_id) => ({ text: 'x', user_id })),
      ...odd.map((session_id) => ({ text: 'x', namespace: 's', session_id, user_id: 'u' })),
    ]
    expect((await product().call(ada, 'POST', '/v1/memories/bulk', { items })).status).toBe(200)
    const sorted = odd.toSorted(inBytes)
    for (const limit of [1, 2, odd.length - 1, odd.length, 500]) {
      expect(await every(ada, '/v1/namespaces', { limit }, 'namespace')).toEqual([...odd, 'default', 's'].sort(inBytes))
      expect(await every(ada, '/v1/users', { limit }, 'user_id')).toEqual(sorted)
      expect(await every(ada, '/v1/sessions', { limit, namespace: 's' }, 'session_id')).toEqual(sorted)
      expect(await every(ada, '/v1/sessions', { limit, namespace: 's', user_id: 'u' }, 'session_id')).toEqual(sorted)
    }
    for (const name of odd) {
      expect(await every(ada, '/v1/users', { namespace: name }, 'user_id')).toEqual([])
      expect(await every(ada, '/v1/sessions', { user_id: name }, 'session_id')).toEqual([])
    }
    const exact = await get(ada, `/v1/namespaces?limit=${odd.length + 2}`)
    expect([exact.body.items.length, exact.body.next_cursor]).toEqual([odd.length + 2, null])
  })

  test('one session_id under several users and agents is as many sessions, page by page', async () => {
    const ada = await product().tenant()
    const ids = [{}, { user_id: 'u' }, { user_id: 'v' }, { user_id: 'u', agent_id: 'a' }, { user_id: 'u', app_id: 'a' }, { run_id: 'r' }]
    const items = ids.flatMap((one, i) => Array.from({ length: i + 1 }, () => ({ text: 'x', session_id: 's', ...one })))
    await product().call(ada, 'POST', '/v1/memories/bulk', { items })
    const found = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await get(ada, `/v1/sessions?${query({ limit: 2, ...(cursor ? { cursor } : {}) })}`)
      found.push(...body.items)
      cursor = body.next_cursor
    }
    const none = { user_id: null, agent_id: null, app_id: null, run_id: null }
    const expected = ids.map((one, i) => ({ session_id: 's', ...none, ...one, memories: i + 1, last_activity: expect.any(String) }))
    expect(found).toHaveLength(expected.length)
    expect(found).toEqual(expect.arrayContaining(expected))
    expect((await get(ada, '/v1/sessions?user_id=u')).body.items).toHaveLength(3)
  })

  test('a cursor is good for its own query and tenant only, and every parameter is checked on both sides of its bound', async () => {
    const { call, tenant } = product()
    const [ada, eve] = [await tenant(), await tenant()]
    for (const caller of [ada, eve])
      await call(caller, 'POST', '/v1/memories/bulk', {
        items: ['a', 'b', 'c'].flatMap((name) => ['n', 'default'].map((namespace) => ({ text: 'x', user_id: name, session_id: name, namespace }))),
      })
    await call(ada, 'POST', '/v1/memories', { text: 'x', namespace: 'o' })
    const cursors: Record<string, string> = {}
    for (const kind of kinds) cursors[kind] = (await get(ada, `/v1/${kind}?limit=1`)).body.next_cursor
    for (const kind of kinds) {
      const cursor = cursors[kind] as string
      expect((await get(ada, `/v1/${kind}?limit=2&cursor=${cursor}`)).body.items).not.toEqual([])
      expectProblem(await get(eve, `/v1/${kind}?cursor=${cursor}`), 'invalid', '/cursor')
      for (const other of kinds.filter((one) => one !== kind)) expectProblem(await get(ada, `/v1/${other}?cursor=${cursor}`), 'invalid', '/cursor')
      const bad = ['', 'x', `${cursor}x`, `${cursor.slice(1)}`, 'W10.AAAAAAAAAAAAAAAAAAAAAA', 'x'.repeat(4001)]
      for (const one of bad) expectProblem(await get(ada, `/v1/${kind}?cursor=${one}`), 'invalid', '/cursor')
      for (const limit of ['0', '501', '-1', '1.5', '1e1', 'ten', '', ' 5', '9999999999'])
        expectProblem(await get(ada, `/v1/${kind}?limit=${encodeURIComponent(limit)}`), 'invalid', '/limit')
      for (const limit of ['1', '500', '007']) expect((await get(ada, `/v1/${kind}?limit=${limit}`)).status).toBe(200)
    }
    for (const [path, pointer] of [
      [`/v1/users?namespace=n&cursor=${cursors.users}`, '/cursor'],
      [`/v1/sessions?user_id=a&cursor=${cursors.sessions}`, '/cursor'],
      ['/v1/users?namespace=', '/namespace'],
      [`/v1/users?namespace=${'x'.repeat(257)}`, '/namespace'],
      ['/v1/sessions?user_id=', '/user_id'],
      [`/v1/sessions?user_id=${'x'.repeat(257)}`, '/user_id'],
      ['/v1/namespaces?namespace=n', '/namespace'],
      ['/v1/users?user_id=a', '/user_id'],
    ] as const)
      expectProblem(await get(ada, path), 'invalid', pointer)
    for (const path of [`/v1/users?namespace=${'x'.repeat(256)}`, `/v1/sessions?user_id=${'x'.repeat(256)}`])
      expect((await get(ada, path)).body).toEqual({ items: [], next_cursor: null })
    const writer = await tenant(['memory:write'])
    for (const kind of [...kinds, 'usage']) expectProblem(await get(writer, `/v1/${kind}`), 'forbidden')
  })

  test('many names that hold nothing any more do not make one page long: it ends early and the next goes on', async () => {
    const { call, ctx, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories/bulk', { items: ['a', 'z'].map((user_id) => ({ text: 'x', user_id })) })
    const gone = mostNames * 2
    await product().local.db.owner.maintenance((sql) =>
      sql.query(`insert into scopes (tenant_id, namespace, user_id) select ${ada.tenantId}, 'default', 'gone' || lpad(g::text, 6, '0') from generate_series(1, ${gone}) g`),
    )
    const read: number[] = []
    const app = product().local.db.app
    const counting = {
      ...app,
      transaction: <T>(access: Parameters<typeof app.transaction>[0], work: (tx: Sql) => Promise<T>) =>
        app.transaction(access, (tx) =>
          work({
            async query(text, values) {
              const rows = await tx.query(text, values)
              if (text.includes('from scopes')) read.push(rows.length)
              return rows as never
            },
          }),
        ),
    }
    const users = []
    let pages = 0
    for (let cursor: string | null | undefined; cursor !== null; pages++) {
      read.length = 0
      const page = await listUsers({ ...ctx(ada), app: counting }, cursor === undefined ? { limit: '2' } : { limit: '2', cursor })
      expect(read.reduce((sum, n) => sum + n, 0)).toBeLessThan(3 * mostNames)
      users.push(...page.items.map((one) => one.user_id))
      cursor = page.next_cursor
    }
    expect(users).toEqual(['a', 'z'])
    expect(pages).toBeGreaterThan(1)
  })
})
