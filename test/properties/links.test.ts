import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { adminSql, idsOf } from '../db/admin.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { around, cheapest, type Graph } from './graph.ts'

const numRuns = process.env.SOMA_FULL === '1' ? 400 : 40

const nodes = 10
const node = fc.noBias(fc.integer({ min: 0, max: nodes - 1 }))
/** What becomes of a memory after its links are there. */
const fate = fc.noBias(fc.constantFrom('stays', 'stays', 'stays', 'stays', 'stays', 'stays', 'stays', 'stays', 'changed', 'forgotten', 'expired', 'superseded', 'early'))
const weight = fc.constantFrom(0.25, 0.5, 1, 1, 2, 4, 3, 7, 0.1, 1e6, 1e-5)
const link = fc.record({ from: node, to: node, type: fc.constantFrom('related', 'b', 'B'), weight }).filter(({ from, to }) => from !== to)
const drawn = fc.record({
  fates: fc.array(fate, { minLength: nodes, maxLength: nodes }),
  links: fc.uniqueArray(link, { minLength: 20, maxLength: 50, size: 'max', selector: ({ from, to, type }) => `${from} ${to} ${type}` }),
})
const type = fc.noBias(fc.constantFrom(undefined, undefined, undefined, 'related', 'b'))
const around3 = fc.record({ hops: fc.integer({ min: 1, max: 3 }), limit: fc.constantFrom(1, 2, 3, 5, 50), direction: fc.constantFrom('out', 'in', 'both'), type })

describeEngines('any graph', (product) => {
  let ada: Caller
  beforeAll(async () => {
    ada = await product().tenant()
  })
  const call = (method: string, path: string, body?: unknown) => product().call(ada, method, path, body)
  const get = (path: string, query: Record<string, string | number | undefined>) =>
    call('GET', `${path}?${new URLSearchParams(Object.entries(query).flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, String(value)]])))}`)

  async function build({ fates, links }: { fates: string[]; links: Graph['links'] }): Promise<{ graph: Graph; ids: string[] }> {
    const ids = idsOf((await call('POST', '/v1/memories/bulk', { items: fates.map((_, i) => ({ text: `memory ${i}` })) })).body.results)
    for (const one of links) expect((await call('POST', '/v1/links', { ...one, from: ids[one.from], to: ids[one.to] })).status).toBe(201)
    for (const [i, what] of fates.entries()) {
      if (what === 'forgotten') await call('DELETE', `/v1/memories/${ids[i]}`)
      if (what === 'superseded') await call('POST', '/v1/memories', { text: 'newer', supersedes: ids[i] })
      if (what === 'early') await call('PATCH', `/v1/memories/${ids[i]}`, { valid_from: '2999-01-01T00:00:00Z' })
      if (what === 'changed') await call('PATCH', `/v1/memories/${ids[i]}`, { text: 'changed' })
    }
    const expired = ids.filter((_, i) => fates[i] === 'expired')
    // locked in the product's order: the indexer, which is at them too, would be waited for by one row and wait for another
    await adminSql(
      product(),
      `with locked as materialized (select m.memory_key from memories m where m.tenant_id = $1::integer and m.id = any ($2::uuid[]) order by m.memory_key for update)
       update memories set expires_at = now() where tenant_id = $1::integer and memory_key in (select memory_key from locked)`,
      [ada.tenantId, expired],
    )
    return { ids, graph: { links, present: fates.map((what) => what === 'stays' || what === 'changed') } }
  }

  test('has the neighbours and the cheapest paths that it has when it is walked plainly', async () => {
    let [paths, absent] = [0, 0]
    await fc.assert(
      fc.asyncProperty(
        drawn,
        fc.array(fc.tuple(node, node, fc.noBias(fc.integer({ min: 1, max: 6 })), type), { minLength: 6, maxLength: 6 }),
        fc.array(around3, { minLength: 4, maxLength: 4 }),
        async (one, ways, rings) => {
          const { graph, ids } = await build(one)
          for (const [from, to, maxHops, ofType] of ways) {
            const answer = await get('/v1/paths', { from: ids[from], to: ids[to], max_hops: maxHops, type: ofType })
            if (!graph.present[from] || !graph.present[to]) {
              expect(answer.status).toBe(404)
              continue
            }
            const expected = cheapest(graph, from, to, maxHops, ofType)
            expect(answer.status, answer.text).toBe(200)
            expect(idsOf(answer.body.path)).toEqual(expected?.nodes.map((i) => ids[i]) ?? [])
            if (!expected) absent++
            else {
              expect(answer.body.cost).toBe(expected.cost)
              expect(answer.body.links.map((each: { type: string }) => each.type)).toEqual(expected.types)
              if (expected.nodes.length > 2) paths++
            }
          }
          for (const [i, query] of rings.entries()) {
            const start = (i * 3) % nodes
            const answer = await get(`/v1/memories/${ids[start]}/neighbors`, query)
            if (!graph.present[start]) {
              expect(answer.status).toBe(404)
              continue
            }
            const expected = around(graph, start, query as Parameters<typeof around>[2])
            expect(answer.status, answer.text).toBe(200)
            type Item = { memory: { id: string }; hops: number; link: { from: string; to: string; type: string; weight: number } }
            expect(answer.body.items.map(({ memory, hops, link: by }: Item) => ({ id: memory.id, hops, by: [by.from, by.to, by.type, by.weight] }))).toEqual(
              expected.map(({ node: n, hops, link: by }) => ({ id: ids[n], hops, by: [ids[by.from], ids[by.to], by.type, by.weight] })),
            )
          }
        },
      ),
      { numRuns },
    )
    expect(paths).toBeGreaterThan(numRuns / 10)
    expect(absent).toBeGreaterThan(0)
  }, 1_200_000)
})
