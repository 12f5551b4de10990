import { beforeAll, expect, test } from 'vitest'
import { linkBudget } from '../../shared/link/cheapest-path.ts'
import { passedBy } from '../../shared/link/neighbors.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, idsOf } from './admin.ts'

describeEngines(
  'walks at a hub of a quarter of a million links that lead nowhere',
  (product) => {
    let ada: Caller
    let ids: string[]
    const get = (path: string) => product().call(ada, 'GET', path)

    beforeAll(async () => {
      ada = await product().tenant()
      ids = idsOf((await product().call(ada, 'POST', '/v1/memories/bulk', { items: ['hub', 'near', 'far'].map((text) => ({ text })) })).body.results)
      for (const [from, to, type] of [
        [0, 1, 'way'],
        [1, 2, 'way'],
      ] as const)
        await product().call(ada, 'POST', '/v1/links', { from: ids[from], to: ids[to], type, weight: 0.5 })
      // there are no such memories, as if all had been superseded
      await adminSql(
        product(),
        `insert into links (tenant_id, id, from_key, to_key, type, weight, version, created_at, recorded_at)
         select m.tenant_id, gen_random_uuid(), m.memory_key, -g, 'gone', 1, 1, now(), now() from memories m cross join generate_series(1, ${linkBudget}) g where m.tenant_id = $1::integer and m.id = $2::uuid`,
        [ada.tenantId, ids[0]],
      )
    }, 120_000)

    test('neighbours that would be found behind them are refused, and found when a type leads past them', async () => {
      const refused = await get(`/v1/memories/${ids[0]}/neighbors`)
      expect([refused.status, refused.body.errors]).toMatchObject([422, [{ pointer: '/limit', detail: expect.stringContaining(`more than ${passedBy} links`) }]])
      expect((await get(`/v1/memories/${ids[0]}/neighbors?type=way&hops=2`)).body.items).toMatchObject([
        { memory: { id: ids[1] }, hops: 1 },
        { memory: { id: ids[2] }, hops: 2 },
      ])
    })

    test('a path is found from its other end without reading the hub, and one that is nowhere is refused rather than denied', async () => {
      expect(idsOf((await get(`/v1/paths?from=${ids[0]}&to=${ids[2]}`)).body.path)).toEqual(ids)
      const { body: island } = await product().call(ada, 'POST', '/v1/memories', { text: 'island' })
      await product().call(ada, 'POST', '/v1/links', { from: ids[2], to: island.id })
      await product().call(ada, 'DELETE', `/v1/memories/${ids[1]}`)
      // from the end no way leads on: that is an answer
      expect((await get(`/v1/paths?from=${ids[0]}&to=${island.id}`)).body).toEqual({ path: [] })
      await adminSql(
        product(),
        `insert into links (tenant_id, id, from_key, to_key, type, weight, version, created_at, recorded_at)
         select m.tenant_id, gen_random_uuid(), -g, m.memory_key, 'gone', 1, 1, now(), now() from memories m cross join generate_series(1, 2500) g where m.tenant_id = $1::integer and m.id = $2::uuid`,
        [ada.tenantId, island.id],
      )
      const refused = await get(`/v1/paths?from=${ids[0]}&to=${island.id}`)
      expect([refused.status, refused.body.errors]).toMatchObject([422, [{ pointer: '/max_hops', detail: expect.stringContaining(`more than ${linkBudget} links`) }]])
      expect((await get(`/v1/paths?from=${ids[0]}&to=${island.id}&type=way`)).body).toEqual({ path: [] })
    })
  },
  ['postgres 18', 'postgres 16'],
)
