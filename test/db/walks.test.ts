import { beforeAll, expect, test } from 'vitest'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, idsOf } from './admin.ts'

const missing = '019a0000-0000-7000-8000-000000000000'
type Item = { memory: { id: string }; link: { type: string; weight: number }; hops: number }

describeEngines('walks', (product) => {
  let ada: Caller
  beforeAll(async () => {
    ada = await product().tenant()
  })
  const call = (method: string, path: string, body?: unknown) => product().call(ada, method, path, body)
  const neighbors = (id: string | undefined, search = '') => call('GET', `/v1/memories/${id}/neighbors${search}`)
  const path = (from: string | undefined, to: string | undefined, search = '') => call('GET', `/v1/paths?from=${from}&to=${to}${search}`)

  /** Memories by letter, in the order of the letters; links such as `a>b 2` (weight) or `a>b 2 type`. */
  async function graph(...links: string[]): Promise<Record<string, string>> {
    const letters = [...new Set(links.flatMap((one) => [one[0] as string, one[2] as string]))].sort()
    const stored = await call('POST', '/v1/memories/bulk', { items: letters.map((letter) => ({ text: `memory ${letter}` })) })
    const ids = Object.fromEntries(letters.map((letter, i) => [letter, stored.body.results[i].id as string]))
    for (const one of links) {
      const [ends = '', weight = '1', type] = one.split(' ')
      const made = await call('POST', '/v1/links', { from: ids[ends[0] as string], to: ids[ends[2] as string], weight: Number(weight), ...(type ? { type } : {}) })
      expect(made.status, made.text).toBe(201)
    }
    // indexed, so that answers of one memory are alike
    await product().settle()
    return ids
  }
  const lettersOf = (ids: Record<string, string>, found: string[]) => found.map((id) => Object.keys(ids).find((letter) => ids[letter] === id)).join('')
  const around = (ids: Record<string, string>, answer: Answer) => {
    expect(answer.status, answer.text).toBe(200)
    return (answer.body.items as Item[]).map((item) => `${lettersOf(ids, [item.memory.id])}${item.hops}`).join(' ')
  }
  const along = (ids: Record<string, string>, answer: Answer) => {
    expect(answer.status, answer.text).toBe(200)
    return lettersOf(ids, idsOf(answer.body.path))
  }

  test('neighbours are the memories one link away, the strongest first, each with its link, as get answers it', async () => {
    const ids = await graph('a>b 1', 'a>c 3', 'a>d 2 other', 'e>a 9')
    const answer = await neighbors(ids.a)
    expect(around(ids, answer)).toBe('c1 d1 b1')
    const [first] = answer.body.items
    expect(first).toEqual({
      link: { id: expect.any(String), from: ids.a, to: ids.c, type: 'related', weight: 3, metadata: {}, created_at: expect.any(String) },
      memory: (await call('GET', `/v1/memories/${ids.c}`)).body,
      hops: 1,
    })
    expect(around(ids, await neighbors(ids.a, '?type=other'))).toBe('d1')
    expect(around(ids, await neighbors(ids.a, '?type=oth%25'))).toBe('')
    expect(around(ids, await neighbors(ids.b))).toBe('')
  })

  test('they can be read against the links, or both ways', async () => {
    const ids = await graph('a>b 1', 'c>a 3', 'a>d 2', 'd>a 5 back')
    expect(around(ids, await neighbors(ids.a, '?direction=out'))).toBe('d1 b1')
    const into = await neighbors(ids.a, '?direction=in')
    expect(around(ids, into)).toBe('d1 c1')
    expect(into.body.items[0].link).toMatchObject({ from: ids.d, to: ids.a, type: 'back' })
    const both = await neighbors(ids.a, '?direction=both')
    expect(around(ids, both)).toBe('d1 c1 b1')
    expect(both.body.items[0].link.type).toBe('back')
  })

  test('each is there once, at its fewest hops, and never the memory itself, whatever cycles there are', async () => {
    const ids = await graph('a>b 1', 'b>c 5', 'c>a 9', 'a>c 0.5', 'b>a 9', 'c>d 1', 'd>e 9', 'e>b 9')
    expect(around(ids, await neighbors(ids.a))).toBe('b1 c1')
    expect(around(ids, await neighbors(ids.a, '?hops=2'))).toBe('b1 c1 d2')
    expect(around(ids, await neighbors(ids.a, '?hops=3'))).toBe('b1 c1 d2 e3')
  })

  test('of parallel links the strongest counts, of equally strong ones the first by type, and they take no place of others', async () => {
    const ids = await graph('a>b 1 z', 'a>b 4 y', 'a>b 4 x', 'a>b 2 w', 'a>c 3', 'a>d 1')
    const answer = await neighbors(ids.a, '?limit=2')
    expect(around(ids, answer)).toBe('b1 c1')
    expect(answer.body.items[0].link).toMatchObject({ type: 'x', weight: 4 })
    expect((await neighbors(ids.a, '?type=z')).body.items).toMatchObject([{ link: { type: 'z', weight: 1 } }])
  })

  test('the limit holds over all hops; ties go to the earlier memory', async () => {
    const ids = await graph('a>d 1', 'a>b 1', 'a>c 1', 'b>f 1', 'c>e 1', 'd>g 2')
    expect(around(ids, await neighbors(ids.a, '?hops=2'))).toBe('b1 c1 d1 g2 e2 f2')
    for (const [limit, expected] of [
      [2, 'b1 c1'],
      [3, 'b1 c1 d1'],
      [4, 'b1 c1 d1 g2'],
      [5, 'b1 c1 d1 g2 e2'],
    ]) {
      expect(around(ids, await neighbors(ids.a, `?hops=3&limit=${limit}`))).toBe(expected)
    }
  })

  test('the cheapest path costs the least sum of 1 / weight, in the direction of the links', async () => {
    const ids = await graph('a>b 1', 'b>c 1', 'a>c 0.4', 'a>d 4', 'd>c 4')
    const answer = await path(ids.a, ids.c)
    expect(along(ids, answer)).toBe('adc')
    expect(answer.body.cost).toBe(0.5)
    expect(answer.body.links).toMatchObject([
      { from: ids.a, to: ids.d, weight: 4, type: 'related', metadata: {} },
      { from: ids.d, to: ids.c, weight: 4 },
    ])
    expect(answer.body.path[1]).toEqual((await call('GET', `/v1/memories/${ids.d}`)).body)
    expect((await path(ids.c, ids.a)).body).toEqual({ path: [] })
    expect(along(ids, await path(ids.a, ids.c, '&max_hops=1'))).toBe('ac')
    expect((await path(ids.a, ids.c, '&max_hops=1')).body.cost).toBe(2.5)
    const itself = await path(ids.a, ids.a)
    expect(itself.body).toEqual({ path: [answer.body.path[0]], links: [], cost: 0 })
  })

  test('no path has more links than max_hops, and a cheap long one gives way to a dear short one', async () => {
    const ids = await graph('a>b 9', 'b>c 9', 'c>d 9', 'd>e 9', 'e>f 9', 'f>g 9', 'a>d 1', 'g>h 9')
    expect(along(ids, await path(ids.a, ids.g))).toBe('abcdefg')
    expect(along(ids, await path(ids.a, ids.g, '&max_hops=5'))).toBe('adefg')
    expect(along(ids, await path(ids.a, ids.g, '&max_hops=4'))).toBe('adefg')
    expect((await path(ids.a, ids.g, '&max_hops=3')).body).toEqual({ path: [] })
    expect(along(ids, await path(ids.a, ids.h))).toBe('adefgh')
    expect(along(ids, await path(ids.b, ids.h))).toBe('bcdefgh')
  })

  test('of equally cheap paths that with fewer links, then that of the earlier memories is taken; a type narrows', async () => {
    const ids = await graph('a>c 1', 'c>z 1', 'a>b 1', 'b>z 1', 'a>z 0.5 far', 'b>z 1 far')
    expect(along(ids, await path(ids.a, ids.z))).toBe('az')
    const related = await path(ids.a, ids.z, '&type=related')
    expect([along(ids, related), related.body.cost]).toEqual(['abz', 2])
    expect((await path(ids.a, ids.c, '&type=far')).body).toEqual({ path: [] })
  })

  test('what is forgotten, expired, superseded or not yet valid is on no walk, also not between two others', async () => {
    const ids = await graph('a>b 9', 'b>z 9', 'a>c 8', 'c>z 8', 'a>d 7', 'd>z 7', 'a>e 6', 'e>z 6', 'a>f 1', 'f>z 1')
    const seen = async () => [around(ids, await neighbors(ids.a, '?hops=2')), along(ids, await path(ids.a, ids.z)), around(ids, await neighbors(ids.z, '?direction=in'))]
    expect(await seen()).toEqual(['b1 c1 d1 e1 f1 z2', 'abz', 'b1 c1 d1 e1 f1'])
    await call('DELETE', `/v1/memories/${ids.b}`)
    expect(await seen()).toEqual(['c1 d1 e1 f1 z2', 'acz', 'c1 d1 e1 f1'])
    await call('POST', '/v1/memories', { text: 'newer', supersedes: ids.c })
    expect(await seen()).toEqual(['d1 e1 f1 z2', 'adz', 'd1 e1 f1'])
    await adminSql(product(), 'update memories set expires_at = now() where tenant_id = $1::integer and id = $2::uuid', [ada.tenantId, ids.d])
    expect(await seen()).toEqual(['e1 f1 z2', 'aez', 'e1 f1'])
    await call('PATCH', `/v1/memories/${ids.e}`, { valid_from: '2999-01-01T00:00:00Z' })
    expect(await seen()).toEqual(['f1 z2', 'afz', 'f1'])
    // a new version is the same memory, its links are its own
    await call('PATCH', `/v1/memories/${ids.f}`, { text: 'changed' })
    expect((await neighbors(ids.a)).body.items[0].memory).toMatchObject({ id: ids.f, text: 'changed', version: 2 })
    for (const absent of [ids.b, ids.c, ids.d, ids.e, missing]) {
      expect((await neighbors(absent)).body.code).toBe('not_found')
      const [to, from] = [await path(ids.a, absent), await path(absent, ids.a)]
      expect([to.status, to.body.errors.map((one: { pointer: string }) => one.pointer)]).toEqual([404, ['/to']])
      expect([from.status, from.body.errors.map((one: { pointer: string }) => one.pointer)]).toEqual([404, ['/from']])
    }
  })

  test('weights at both ends of what is taken make costs that are numbers', async () => {
    const ids = await graph('a>b 5e-324', 'b>c 1000000', 'c>d 3', 'a>d 1e-300')
    const cost = async (from: string, to: string) => (await path(ids[from], ids[to])).body.cost
    expect([await cost('b', 'c'), await cost('c', 'd'), await cost('b', 'd')]).toEqual([0.000001, 0.333333333, 0.333334333])
    expect(await cost('a', 'b')).toBeCloseTo(1e291, -280)
    expect(around(ids, await neighbors(ids.a))).toBe('d1 b1')
  })

  test('walks see one moment: while memories are forgotten and linked anew, every link of an answer joins its memories', async () => {
    const ids = await graph('a>b 1', 'b>c 1', 'c>d 1', 'a>e 0.5', 'e>d 0.5')
    let changing = true
    const changes = (async () => {
      for (let round = 0; round < 20; round++) {
        const made = await call('POST', '/v1/memories', { text: 'between' })
        for (const [from, to] of [
          [ids.a, made.body.id],
          [made.body.id, ids.d],
        ])
          await call('POST', '/v1/links', { from, to, weight: 5 })
        await call('DELETE', `/v1/memories/${made.body.id}`)
      }
      changing = false
    })()
    let walks = 0
    while (changing) {
      const { body } = await path(ids.a, ids.d)
      expect(body.links).toHaveLength(body.path.length - 1)
      for (const [i, link] of body.links.entries()) expect([link.from, link.to]).toEqual([body.path[i].id, body.path[i + 1].id])
      expect((await neighbors(ids.a, '?hops=3')).status).toBe(200)
      walks++
    }
    await changes
    expect(walks).toBeGreaterThan(0)
  })
})
