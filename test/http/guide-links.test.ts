import { expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { expectNothingWritten, expectProblem } from './checks.ts'

describeEngines('the guides’ links', (product) => {
  const call = (caller: Caller | null, method: string, path: string, body?: unknown, headers?: Record<string, string>) => product().call(caller, method, path, body, headers)
  const link = (caller: Caller, from_coord: string, to_coord: string, more: object = {}) => call(caller, 'POST', '/link', { from_coord, to_coord, ...more })
  const get = async (caller: Caller, path: string) => (await call(caller, 'GET', path)).body

  async function places(...coords: string[]): Promise<Caller> {
    const caller = await product().tenant()
    expect((await call(caller, 'POST', '/store_bulk', { items: coords.map((coord) => ({ coord, payload: { at: coord } })) })).body.stored).toBe(coords.length)
    return caller
  }

  test('a link leads from coord to coord, the strongest first, and the path is the cheapest by 1 / weight', async () => {
    const ada = await places('0,0', '1,0', '2,0', '3,0', '9,9')
    for (const [from, to, weight] of [
      ['0,0', '1.0,0', 4],
      ['1,0', '2,0', 4],
      ['0,0', '2,0', 1],
      ['2,0', '3,0', 1],
    ] as const)
      expect((await link(ada, from, to, { weight })).body).toEqual({ ok: true, id: expect.any(String) })
    await link(ada, '0,0', '3,0', { type: 'seldom', weight: 0.1 })
    const edge = (type: string, weight: number) => ({ id: expect.any(String), type, weight, metadata: {}, created_at: expect.any(String) })
    expect(await get(ada, '/neighbors?coord=0,0')).toEqual({
      neighbors: [
        [[1, 0], edge('related', 4)],
        [[2, 0], edge('related', 1)],
        [[3, 0], edge('seldom', 0.1)],
      ],
    })
    expect(await get(ada, '/neighbors?coord=0,0&link_type=seldom')).toEqual({ neighbors: [[[3, 0], edge('seldom', 0.1)]] })
    expect((await get(ada, '/neighbors?coord=0.0,-0&limit=1')).neighbors).toHaveLength(1)
    expect(await get(ada, '/neighbors?coord=9,9')).toEqual({ neighbors: [] })
    expect(await get(ada, '/shortest_path?frm=0,0&to=3,0')).toEqual({
      path: [
        [0, 0],
        [1, 0],
        [2, 0],
        [3, 0],
      ],
    })
    expect(await get(ada, '/shortest_path?frm=0,0&to=3,0&link_type=seldom')).toEqual({
      path: [
        [0, 0],
        [3, 0],
      ],
    })
    expect(await get(ada, '/shortest_path?frm=3,0&to=0,0')).toEqual({ path: [] })
    expect(await get(ada, '/shortest_path?frm=9,9&to=9,9')).toEqual({ path: [[9, 9]] })
    // again is another weight, and the way changes with it
    const before = (await get(ada, '/neighbors?coord=0,0&link_type=seldom')).neighbors[0][1].id
    expect((await link(ada, '0,0', '3,0', { type: 'seldom', weight: 100 })).body.id).toBe(before)
    expect(await get(ada, '/shortest_path?frm=0,0&to=3,0')).toEqual({
      path: [
        [0, 0],
        [3, 0],
      ],
    })
    await call(ada, 'DELETE', '/memories/1,0')
    expect((await get(ada, '/neighbors?coord=0,0')).neighbors.map(([coord]: [number[]]) => coord)).toEqual([
      [3, 0],
      [2, 0],
    ])
  })

  test('what has no coord is left out of the neighbours, and null on a path', async () => {
    const ada = await places('1', '2')
    const { body: between } = await call(ada, 'POST', '/v1/memories', { text: 'no coord' })
    const { body: elsewhere } = await call(ada, 'POST', '/v1/memories', { text: 'another namespace', namespace: 'n', coord: '2' })
    const at = async (coord: string) => (await get(ada, `/memories/${coord}`)).memory.id
    for (const [from, to] of [
      [await at('1'), between.id],
      [between.id, await at('2')],
      [await at('1'), elsewhere.id],
    ])
      expect((await call(ada, 'POST', '/v1/links', { from, to })).status).toBe(201)
    expect(await get(ada, '/neighbors?coord=1')).toEqual({ neighbors: [] })
    expect(await get(ada, '/shortest_path?frm=1&to=2')).toEqual({ path: [[1], null, [2]] })
  })

  test('a coord where nothing is, and each bound, is refused by name; nothing is written', async () => {
    const ada = await places('1', '2')
    const eve = await places('7')
    const [reader, writer] = [await product().tenant(['memory:read']), await product().tenant(['memory:write'])]
    await expectNothingWritten(product(), async () => {
      expectProblem(await link(ada, '1', '7'), 'invalid', '/to_coord')
      expectProblem(await link(ada, '7', '1'), 'invalid', '/from_coord')
      expectProblem(await link(ada, '1', '1.0'), 'invalid', '/to_coord')
      expectProblem(await link(ada, '1', 'x'), 'invalid', '/to_coord')
      expectProblem(await link(eve, '1', '2'), 'invalid', '/from_coord')
      for (const [more, pointer] of [
        [{ weight: 0 }, '/weight'],
        [{ weight: 1_000_001 }, '/weight'],
        [{ weight: '1' }, '/weight'],
        [{ type: '' }, '/type'],
        [{ type: 'x'.repeat(129) }, '/type'],
        [{ link_type: 'x' }, '/link_type'],
      ] as const)
        expectProblem(await link(ada, '1', '2', more), 'invalid', pointer)
      for (const [query, code, pointer] of [
        ['neighbors?coord=7', 'not_found', '/coord'],
        ['neighbors?coord=x', 'invalid', '/coord'],
        ['neighbors', 'invalid', '/coord'],
        ['neighbors?coord=1&limit=0', 'invalid', '/limit'],
        ['neighbors?coord=1&limit=501', 'invalid', '/limit'],
        ['neighbors?coord=1&link_type=', 'invalid', '/link_type'],
        [`neighbors?coord=1&link_type=${'x'.repeat(129)}`, 'invalid', '/link_type'],
        ['neighbors?coord=1&hops=2', 'invalid', '/hops'],
        ['shortest_path?frm=1', 'invalid', '/to'],
        ['shortest_path?frm=1&to=7', 'not_found', '/to'],
        ['shortest_path?frm=7&to=1', 'not_found', '/frm'],
        ['shortest_path?frm=1&to=2&from=1', 'invalid', '/from'],
      ] as const)
        expectProblem(await call(ada, 'GET', `/${query}`), code, pointer)
      expectProblem(await call(reader, 'POST', '/link', { from_coord: '1', to_coord: '2' }), 'forbidden')
      for (const path of ['/neighbors?coord=1', '/shortest_path?frm=1&to=2']) expectProblem(await call(writer, 'GET', path), 'forbidden')
      expectProblem(await call(null, 'POST', '/link', {}), 'unauthenticated')
    })
    for (const more of [{ weight: 1e-300 }, { weight: 1_000_000 }, { type: 'x'.repeat(128) }, { type: '%' }]) expect((await link(ada, '1', '2', more)).status).toBe(200)
    for (const limit of [1, 500]) expect((await call(ada, 'GET', `/neighbors?coord=1&limit=${limit}`)).status).toBe(200)
  })

  test('a repeated link with its key is the first one', async () => {
    const ada = await places('1', '2')
    const body = { from_coord: '1', to_coord: '2', weight: 3 }
    const first = await call(ada, 'POST', '/link', body, { 'idempotency-key': 'k' })
    await expectNothingWritten(product(), async () => {
      const again = await call(ada, 'POST', '/link', body, { 'idempotency-key': 'k' })
      expect(again.body).toEqual(first.body)
      expect(again.headers.get('idempotent-replayed')).toBe('true')
      expectProblem(await call(ada, 'POST', '/link', { ...body, weight: 4 }, { 'idempotency-key': 'k' }), 'idempotency_conflict')
    })
  })
})
