import { expect, test } from 'vitest'
import { rangeWindow } from '../../shared/guide/index.ts'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { badCoords } from './bad-input.ts'
import { expectNothingWritten, expectProblem } from './checks.ts'

describeEngines('the guides’ memories by coord', (product) => {
  const call = (caller: Caller | null, method: string, path: string, body?: unknown, headers?: Record<string, string>) => product().call(caller, method, path, body, headers)
  const countEvents = async (tenantId: number) => {
    const [row] = await product().local.db.owner.maintenance((sql) => sql.query<{ n: string }>(`select count(*) as n from memory_events where tenant_id = ${tenantId}`))
    return Number(row?.n)
  }

  test('one coord several times in one call is several versions in order, and as many events', async () => {
    const ada = await product().tenant()
    const items = Array.from({ length: 20 }, (_, i) => ({ coord: i % 2 ? '1.0, 2' : '1,2e0', payload: { text: `turn ${i}` } }))
    const { body } = await call(ada, 'POST', '/store_bulk', { items })
    expect(body.stored).toBe(20)
    expect(body.ids).toHaveLength(20)
    expect(new Set(body.ids).size).toBe(1)
    const history = (await call(ada, 'GET', `/v1/memories/${body.ids[0]}/history`)).body.items
    expect(history.map((one: { version: number; payload: { text: string } }) => [one.version, one.payload.text])).toEqual(items.map((item, i) => [i + 1, item.payload.text]))
    await product().settle()
    expect(await countEvents(ada.tenantId)).toBe(20)
    expect((await call(ada, 'GET', '/stats')).body).toEqual({ total_memories: 1, episodic: 1, semantic: 0, namespace: 'default' })
  })

  test('500 items are one call; more are refused with what to do, and a bad one among them stores none', async () => {
    const ada = await product().tenant()
    const items = (n: number) => Array.from({ length: n }, (_, i) => ({ coord: `${i},0`, payload: { i } }))
    expect((await call(ada, 'POST', '/store_bulk', { items: items(500) })).body).toMatchObject({ stored: 500 })
    await expectNothingWritten(product(), async () => {
      const refused = await call(ada, 'POST', '/store_bulk', { items: items(501) })
      expectProblem(refused, 'invalid', '/items')
      expect(refused.body.detail).toContain('several requests')
      expectProblem(await call(ada, 'POST', '/store_bulk', { items: [] }), 'invalid', '/items')
      expectProblem(await call(ada, 'POST', '/store_bulk', { items: [...items(3), { coord: 'x', payload: {} }] }), 'invalid', '/items/3/coord')
      expectProblem(await call(ada, 'POST', '/store_bulk', { items: [{ coord: '1', payload: { p: 'x'.repeat(256 * 1024) } }] }), 'invalid', '/items/0/payload')
      expectProblem(await call(ada, 'POST', '/store', { coord: '1', payload: { p: 'x'.repeat(256 * 1024 - 7) } }), 'invalid', '/payload')
      for (const [body, pointer] of [
        [{ payload: {} }, '/coord'],
        [{ coord: '1' }, '/payload'],
        [{ coord: '1', payload: [] }, '/payload'],
        [{ coord: '1', payload: {}, type: 'dream' }, '/type'],
        [{ coord: '1', payload: {}, memory_type: 'episodic' }, '/memory_type'],
        [{ coord: '1', payload: {}, tenant: 'eve' }, '/tenant'],
      ] as const)
        expectProblem(await call(ada, 'POST', '/store', body), 'invalid', pointer)
      expectProblem(await call(ada, 'POST', '/memories', { coord: '1', payload: {}, type: 'episodic' }), 'invalid', '/type')
      for (const coord of badCoords) expectProblem(await call(ada, 'POST', '/memories', { coord, payload: {} }), 'invalid', '/coord')
    })
    expect((await call(ada, 'POST', '/store', { coord: '9', payload: { p: 'x'.repeat(256 * 1024 - 8) } })).status).toBe(200)
  })

  test('the later names store, read and forget at a coord, however it is spelt', async () => {
    const ada = await product().tenant()
    const first = await call(ada, 'POST', '/memories', { coord: '1,-0,2.50', payload: { text: 'here' }, memory_type: 'semantic' })
    expect(first.body).toEqual({ ok: true, id: expect.any(String), version: 1, coord: '1,0,2.5', memory_type: 'semantic' })
    for (const spelt of ['1,0,2.5', '1,-0,2.50', '%201,%200.0,25e-1']) {
      const read = await call(ada, 'GET', `/memories/${spelt}`)
      expect(read).toMatchObject({ status: 200, body: { memory: { id: first.body.id, coord: '1,0,2.5', payload: { text: 'here' }, memory_type: 'semantic', version: 1 } } })
      expect(read.headers.get('etag')).toBe('"1"')
    }
    // a URL takes its path's dot away
    for (const coord of badCoords.filter((one) => one !== '' && one !== '.')) {
      for (const method of ['GET', 'DELETE']) expectProblem(await call(ada, method, `/memories/${encodeURIComponent(coord)}`), 'invalid', '/coord')
    }
    expectProblem(await call(ada, 'GET', '/memories/7,7'), 'not_found')
    expectProblem(await call(ada, 'GET', '/memories/1,0,2.5?as_of=now'), 'invalid', '/as_of')
    expect((await call(ada, 'DELETE', '/memories/1,0,2.5')).body).toEqual({ ok: true, deleted: true, id: first.body.id, coord: '1,0,2.5' })
    for (const method of ['GET', 'DELETE']) expectProblem(await call(ada, method, '/memories/1,0,2.5'), 'not_found')
    expect((await call(ada, 'POST', '/recall', { query: 'here' })).body.matches).toEqual([])
    const again = await call(ada, 'POST', '/memories', { coord: '1,0,2.5', payload: { text: 'here again' } })
    expect(again.body).toMatchObject({ version: 1 })
    expect(again.body.id).not.toBe(first.body.id)
  })

  test('a repeated write with its key answers as the first did, and writes nothing', async () => {
    const ada = await product().tenant()
    const key = (name: string) => ({ 'idempotency-key': name })
    const writes: [string, string, unknown, string][] = [
      ['POST', '/store', { coord: '1', payload: { a: 1 } }, 's'],
      ['POST', '/store_bulk', { items: [{ coord: '2', payload: {} }] }, 'b'],
      ['POST', '/memories', { coord: '3', payload: { a: 1 } }, 'm'],
      ['DELETE', '/memories/3', undefined, 'd'],
    ]
    const firsts: Answer[] = []
    for (const [method, path, body, name] of writes) firsts.push(await call(ada, method, path, body, key(name)))
    await expectNothingWritten(product(), async () => {
      for (const [i, [method, path, body, name]] of writes.entries()) {
        const again = await call(ada, method, path, body, key(name))
        expect(again, path).toMatchObject({ status: 200, body: firsts[i]?.body })
        expect(again.headers.get('idempotent-replayed')).toBe('true')
      }
      expectProblem(await call(ada, 'POST', '/store', { coord: '1', payload: { a: 2 } }, key('s')), 'idempotency_conflict')
      expectProblem(await call(ada, 'DELETE', '/memories/1', undefined, key('d')), 'idempotency_conflict')
      expectProblem(await call(ada, 'DELETE', '/memories/1', undefined, key('s')), 'idempotency_conflict')
    })
    // stored anew, the coord still answers the old call as before
    await call(ada, 'POST', '/memories', { coord: '3', payload: { a: 2 } })
    expect((await call(ada, 'DELETE', '/memories/3', undefined, key('d'))).body).toEqual(firsts[3]?.body)
    expect((await call(ada, 'GET', '/memories/3')).body.memory.payload).toEqual({ a: 2 })
  })

  test('each needs its own right, and the tenant is the credential’s', async () => {
    const [ada, eve] = [await product().tenant(), await product().tenant()]
    await call(ada, 'POST', '/store', { coord: '5,5', payload: { text: 'of Ada' } })
    for (const method of ['GET', 'DELETE']) expectProblem(await call(eve, method, '/memories/5,5'), 'not_found')
    expect((await call(eve, 'GET', '/range?min=0,0&max=9,9')).body.coords).toEqual([])
    expect((await call(eve, 'POST', '/keyword_search', { term: 'ada' })).body.results).toEqual([])
    expect((await call(eve, 'POST', '/store', { coord: '5,5', payload: { text: 'of Eve' } })).body.version).toBe(1)
    const reader = await product().tenant(['memory:read'])
    for (const [method, path, body] of [
      ['POST', '/store', { coord: '1', payload: {} }],
      ['POST', '/store_bulk', { items: [{ coord: '1', payload: {} }] }],
      ['POST', '/memories', { coord: '1', payload: {} }],
      ['DELETE', '/memories/1', undefined],
    ] as const) {
      expectProblem(await call(reader, method, path, body), 'forbidden')
      expectProblem(await call(null, method, path, body), 'unauthenticated')
    }
    const writer = await product().tenant(['memory:write'])
    for (const path of ['/memories/1', '/range?min=1&max=2', '/stats']) expectProblem(await call(writer, 'GET', path), 'forbidden')
  })

  test('a range answers the coords inside its box, ends included, by their numbers, page by page', async () => {
    const ada = await product().tenant()
    const coords = ['0,0', '10,2', '2,10', '-3,4', '2,-1', '2.5,3', '1e2,0', '5', '1,1,1']
    await call(ada, 'POST', '/store_bulk', { items: coords.map((coord, i) => ({ coord, payload: {}, type: i % 2 ? 'semantic' : 'episodic' })) })
    const range = async (query: string) => (await call(ada, 'GET', `/range?${query}`)).body
    expect(await range('min=-5,-5&max=1000,1000')).toEqual({
      coords: [
        [-3, 4],
        [0, 0],
        [2, -1],
        [2, 10],
        [2.5, 3],
        [10, 2],
        [100, 0],
      ],
      next_cursor: null,
    })
    expect((await range('min=0,0&max=10,2')).coords).toEqual([
      [0, 0],
      [10, 2],
    ])
    expect((await range('min=2,-1&max=2,10')).coords).toEqual([
      [2, -1],
      [2, 10],
    ])
    expect((await range('min=5&max=5')).coords).toEqual([[5]])
    expect((await range('min=9,9&max=1,1')).coords).toEqual([])
    expect((await range('min=-5,-5&max=1000,1000&type=semantic')).coords).toEqual([
      [-3, 4],
      [2.5, 3],
      [10, 2],
    ])
    const pages: number[][] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: { coords: number[][]; next_cursor: string | null } = await range(`min=-5,-5&max=1000,1000&limit=2${cursor && `&cursor=${cursor}`}`)
      expect(page.coords.length).toBeLessThanOrEqual(2)
      pages.push(...page.coords)
      cursor = page.next_cursor
    }
    expect(pages).toEqual((await range('min=-5,-5&max=1000,1000')).coords)
    await call(ada, 'DELETE', '/memories/0,0')
    expect((await range('min=0,0&max=1,1')).coords).toEqual([])
    const { next_cursor: taken } = await range('min=-5,-5&max=1000,1000&limit=2')
    for (const [query, pointer] of [
      ['max=1', '/min'],
      ['min=1', '/max'],
      ['min=1&max=1,2', '/max'],
      ['min=a&max=1', '/min'],
      ['min=1&max=Infinity', '/max'],
      ['min=1&max=2&limit=0', '/limit'],
      ['min=1&max=2&limit=1001', '/limit'],
      ['min=1&max=2&limit=x', '/limit'],
      ['min=1&max=2&type=dream', '/type'],
      ['min=1&max=2&cursor=x', '/cursor'],
      [`min=0,0&max=2,2&cursor=${taken}`, '/cursor'],
      ['min=1&max=2&namespace=x', '/namespace'],
    ] as const)
      expectProblem(await call(ada, 'GET', `/range?${query}`), 'invalid', pointer)
    for (const limit of [1, 1000]) expect((await call(ada, 'GET', `/range?min=1&max=2&limit=${limit}`)).status).toBe(200)
  })

  test('a namespace of more coords than one window is walked to its end, each coord once', async () => {
    const ada = await product().tenant()
    await call(ada, 'POST', '/store', { coord: '0', payload: {} })
    await product().local.db.owner.maintenance((sql) =>
      sql.query(`insert into memories select m.tenant_id, nextval('memory_key_seq'), gen_random_uuid(), 1, m.namespace_key, null, null, m.tokenizer, 0, 10, 1, now(), now(), m.created_xid,
        now(), null, null, null, null, null, m.namespace, null, null, null, null, null, g::text, 'episodic', null, null, '' from memories m cross join generate_series(1, ${rangeWindow + 499}) g where m.tenant_id = ${ada.tenantId}`),
    )
    const seen: number[] = []
    let cursor: string | null = ''
    let pages = 0
    while (cursor !== null && pages < 50) {
      const { body } = await call(ada, 'GET', `/range?min=100&max=20300${cursor && `&cursor=${cursor}`}`)
      seen.push(...body.coords.map(([number]: number[]) => number))
      cursor = body.next_cursor
      pages += 1
    }
    expect(seen.length).toBe(20_201)
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20_201 }, (_, i) => i + 100))
  })
})
