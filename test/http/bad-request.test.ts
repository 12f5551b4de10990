import { expect, test } from 'vitest'
import { operations } from '../../shared/http/index.ts'
import { describeEngines } from '../support/engines.ts'
import { expectNothingWritten, expectProblem, systemKey } from './checks.ts'

const unknownId = '01900000-0000-7000-8000-000000000000'
const noIds = [
  '1',
  'x',
  'null',
  'undefined',
  '*',
  '%25',
  '%00',
  '%ff',
  '%zz',
  "'%20or%20'1'='1",
  `${unknownId}0`,
  unknownId.replaceAll('-', ''),
  `{${unknownId}}`,
  '%F0%9F%98%80',
  '__proto__',
  'constructor',
  unknownId,
]

describeEngines('requests that do not fit the contract', (product) => {
  test('an id that is no uuid, or nobody’s, is not found by get, patch, delete, history, neighbours and links', async () => {
    const ada = await product().tenant()
    await expectNothingWritten(product(), async () => {
      for (const id of noIds) {
        for (const [method, path, body] of [
          ['GET', `/v1/memories/${id}`],
          ['PATCH', `/v1/memories/${id}`, { importance: 2 }],
          ['DELETE', `/v1/memories/${id}`],
          ['GET', `/v1/memories/${id}/history`],
          ['GET', `/v1/memories/${id}/neighbors`],
          ['DELETE', `/v1/links/${id}`],
        ] as const) {
          expectProblem(await product().call(ada, method, path, body), 'not_found')
        }
      }
    })
  })

  test('a method that a path does not take is a 405 that says which it takes', async () => {
    const ada = await product().tenant()
    const byPath = Map.groupBy(operations, (operation) => operation.path)
    for (const [path, here] of byPath) {
      const taken = here.map((operation) => operation.method as string)
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
        // GET /v1/memories/list reads the memory "list", which there is none of; DELETE /memories/search forgets at the coord "search", which is none
        if (taken.includes(method) || (path === '/memories/search' && method === 'DELETE') || (/\/(list|bulk|forget)$/.test(path) && ['GET', 'PATCH', 'DELETE'].includes(method)))
          continue
        const answer = await product().call(ada, method, path.replace(/:\w+/, 'x'))
        expectProblem(answer, 'method_not_allowed')
        for (const one of taken) expect(answer.headers.get('allow')?.split(', ')).toContain(one)
      }
    }
  })

  test('an unknown path is a 404 problem, whatever its form', async () => {
    const ada = await product().tenant()
    const paths = [
      '/',
      '/v1',
      '/v1/',
      '/v2/memories',
      '/v1/memories/',
      '/v1//memories',
      '/v1/Memories',
      '/V1/memories',
      '/v1/memories/a/b/c',
      '/.env',
      '/..%2f..%2fetc%2fpasswd',
      '/v1/memories%00',
      '/%',
      '/__proto__',
      '/v1/recall/x',
      '/store/',
      `/${'x'.repeat(8000)}`,
    ]
    for (const path of paths)
      for (const method of ['GET', 'POST', 'DELETE']) expectProblem(await product().call(ada, method, path, method === 'POST' ? {} : undefined), 'not_found')
  })

  test('a query parameter that an operation does not take is refused, and so is one that is given twice or holds NUL', async () => {
    const ada = await product().tenant()
    const system = await systemKey(product())
    const { body } = await product().call(ada, 'POST', '/v1/memories', { text: 'x' })
    await expectNothingWritten(product(), async () => {
      for (const { scope, method, path, query, example, body: schema } of operations) {
        if (scope === undefined) continue
        const known = path.replace(':id', path.startsWith('/v1/memories') ? body.id : 'x').replace(':name', 'x')
        const send = (search: string) => product().call(/tenants|keys/.test(path) ? system : ada, method, `${known}?${search}`, schema ? example : undefined)
        if (!query || !('user_id' in query)) expectProblem(await send('user_id=ada'), 'invalid', '/user_id')
        expectProblem(await send('__proto__=x'), 'invalid', '/__proto__')
        expectProblem(await send('a=1&a=2'), 'invalid', '/a')
        for (const name of Object.keys(query ?? {})) {
          expectProblem(await send(`${name}=1&${name}=2`), 'invalid', `/${name}`)
          expectProblem(await send(`${name}=a%00b`), 'invalid', `/${name}`)
        }
      }
      for (const search of ['', 'query=', 'query=x&top_k=0', 'query=x&top_k=101', 'query=x&top_k=ten', 'query=x&top_k=', 'query=x&type=dream']) {
        expectProblem(await product().call(ada, 'GET', `/recall?${search}`), 'invalid')
      }
    })
  })

  test('a wrong If-Match is refused, a stale one is a 412, and the memory stays', async () => {
    const ada = await product().tenant()
    const { body } = await product().call(ada, 'POST', '/v1/memories', { text: 'x' })
    const path = `/v1/memories/${body.id}`
    await expectNothingWritten(product(), async () => {
      for (const [header, code] of [
        ['', 'invalid'],
        ['"one"', 'invalid'],
        ['-1', 'invalid'],
        ['W/"1"', 'invalid'],
        ['"1", "2"', 'invalid'],
        ['99999999999', 'invalid'],
        ['1e0', 'invalid'],
        ['"0"', 'precondition_failed'],
        ['"2"', 'precondition_failed'],
        ['999999999', 'precondition_failed'],
      ] as const) {
        expectProblem(await product().call(ada, 'PATCH', path, { importance: 2 }, { 'if-match': header }), code)
        expectProblem(await product().call(ada, 'DELETE', path, undefined, { 'if-match': header }), code)
      }
    })
    expect((await product().call(ada, 'PATCH', path, { importance: 2 }, { 'if-match': '*' })).body.version).toBe(2)
  })

  test('an Idempotency-Key takes 1 to 255 characters on every write', async () => {
    const ada = await product().tenant()
    const { body } = await product().call(ada, 'POST', '/v1/memories', { text: 'x' })
    const { body: other } = await product().call(ada, 'POST', '/v1/memories', { text: 'other' })
    const { body: link } = await product().call(ada, 'POST', '/v1/links', { from: body.id, to: other.id })
    const writes: [string, string, unknown?][] = [
      ['POST', '/v1/memories', { text: 'y' }],
      ['POST', '/v1/memories/bulk', { items: [{ text: 'y' }] }],
      ['PATCH', `/v1/memories/${body.id}`, { importance: 3 }],
      ['POST', '/store', { coord: '1', payload: { a: 'b' } }],
      ['POST', '/store_bulk', { items: [{ coord: '1', payload: { a: 'b' } }] }],
      ['POST', '/v1/links', { from: other.id, to: body.id }],
      ['DELETE', `/v1/links/${link.id}`],
      ['DELETE', `/v1/memories/${body.id}`],
    ]
    await expectNothingWritten(product(), async () => {
      for (const [method, path, sent] of writes)
        for (const key of ['', 'k'.repeat(256)]) expectProblem(await product().call(ada, method, path, sent, { 'idempotency-key': key }), 'invalid')
      for (const key of ['', 'k'.repeat(256), 1])
        expectProblem(await product().call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'y', idempotency_key: key }] }), 'invalid', '/items/0/idempotency_key')
    })
    for (const [i, [method, path, sent]] of writes.entries()) {
      const answer = await product().call(ada, method, path, sent, { 'idempotency-key': `${i}`.padEnd(255, "'") })
      expect(answer.status, answer.text).toBeLessThan(300)
    }
  })

  test('a cursor that was edited, belongs to another query or to another tenant is refused', async () => {
    const ada = await product().tenant()
    const eve = await product().tenant()
    for (const caller of [ada, eve])
      await product().call(caller, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 5 }, (_, i) => ({ text: `memory ${i}`, user_id: 'u' })) })
    const list = (caller: typeof ada, body: object) => product().call(caller, 'POST', '/v1/memories/list', body)
    const query = { user_id: 'u', limit: 2 }
    const cursor: string = (await list(ada, query)).body.next_cursor
    expect((await list(ada, { ...query, cursor })).body.items).toHaveLength(2)
    const [position = '', mac = ''] = cursor.split('.')
    const forged = Buffer.from(JSON.stringify(['2999-01-01', '1'])).toString('base64url')
    const flipped = (mac[0] === 'A' ? 'B' : 'A') + mac.slice(1)
    for (const wrong of [
      `${forged}.${mac}`,
      `${position}.${flipped}`,
      `${position}.`,
      position,
      `${cursor}.x`,
      `.${mac}`,
      `${cursor}A`,
      ` ${cursor}`,
      `${position}.${'é'.repeat(22)}`,
    ]) {
      expectProblem(await list(ada, { ...query, cursor: wrong }), 'invalid', '/cursor')
    }
    for (const other of [{}, { user_id: 'v' }, { user_id: 'u', order_by: 'created_at asc' }, { user_id: 'u', namespace: 'n' }, { user_id: 'u', filters: { text: 'x' } }]) {
      expectProblem(await list(ada, { ...other, cursor }), 'invalid', '/cursor')
    }
    expectProblem(await list(eve, { ...query, cursor }), 'invalid', '/cursor')
    const { id } = (await list(ada, query)).body.items[0]
    for (const wrong of [cursor, 'x', '', `${forged}.${mac}`])
      expectProblem(await product().call(ada, 'GET', `/v1/memories/${id}/history?cursor=${encodeURIComponent(wrong)}`), 'invalid', '/cursor')
  })
})
