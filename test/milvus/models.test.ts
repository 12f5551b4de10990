import { afterAll, beforeAll, expect, test } from 'vitest'
import { statusOf } from '../../shared/model/index.ts'
import { adminSql, idsOf, loseWakeUps } from '../db/admin.ts'
import { type Caller, describeBeside, describeEngines } from '../support/engines.ts'
import { modelsOf, newModel, oldModel, startNewModel, stopNewModel } from '../support/models.ts'
import { requireService } from '../support/services.ts'
import { engineAt, milvusAt } from './milvus.ts'

const url = requireService('TEST_MILVUS_URL')
if (url) describeBeside(['postgres 18'], milvusAt(url))
if (url)
  describeEngines(
    'models and imports with Milvus',
    (product) => {
      const models = modelsOf(product)
      let ada: Caller
      beforeAll(async () => {
        await loseWakeUps(product())
        ada = await product().tenant()
      })
      afterAll(stopNewModel)
      const engine = engineAt(url)
      afterAll(() => engine.close())
      /** What the collection that serves has of the tenant, by model. */
      const places = async (caller: Caller) => {
        const rows = await adminSql<{ model: string; name: string }>(
          product(),
          `select e.name as model, c.name from vector_collections c join embedding_models e on e.model_key = c.model_key where c.state = 'serving'`,
        )
        return Object.fromEntries(await Promise.all(rows.map(async ({ model, name }) => [model, await engine.count(name, caller.tenantId)] as const)))
      }

      test('a model that is introduced gets a collection of its own, and takes over with it', async () => {
        const items = Array.from({ length: 12 }, (_, i) => ({ text: `note ${i} about boats and harbours` }))
        await product().call(ada, 'POST', '/v1/memories/bulk', { items })
        await product().settle()
        await models.introduce()
        const target = { key: 0, name: newModel, dimension: 48, use: 'kept', progress: null } as const
        const [{ key } = { key: 0 }] = await adminSql<{ key: number }>(product(), 'select model_key as key from embedding_models where name = $1::text', [newModel])
        expect((await statusOf(product().local.db.worker, { ...target, key }, new AbortController().signal, { engine: true })).missing_indexes).toHaveLength(1)
        await product().local.runJob('reembed')
        await product().local.runJob('build-ann')
        expect((await statusOf(product().local.db.worker, { ...target, key }, new AbortController().signal, { engine: true })).missing_indexes).toEqual([])
        await product().call(ada, 'POST', '/v1/memories', { text: 'one more about boats' })
        await product().settle()
        expect(await places(ada)).toEqual({ [oldModel]: 13, [newModel]: 13 })
        expect(await models.answeredBy(ada, 'boats in harbours')).toBe(oldModel)
        await models.switchTo(newModel)
        expect(await models.answeredBy(ada, 'boats in harbours')).toBe(newModel)
        await models.switchTo(oldModel)
        await models.drop(newModel)
        await product().local.runJob('reembed')
        await product().local.runJob('build-ann')
        await adminSql(product(), `update vector_collections set changed_at = now() - interval '2 minutes' where state = 'retired'`)
        await product().local.runJob('build-ann')
        expect(await places(ada)).toEqual({ [oldModel]: 13 })
        expect(await adminSql(product(), 'select state from vector_collections')).toEqual([{ state: 'serving' }])
      })

      test('vectors that an import brings wait until Milvus has them, and are not made again', async () => {
        const lines = await product().call(ada, 'GET', '/v1/export?namespace=default&vectors=true')
        const eve = await product().tenant()
        const imported = await product().call(eve, 'POST', '/v1/import', lines.text, { 'content-type': 'application/x-ndjson' })
        expect(imported.status).toBe(200)
        const [waiting] = await adminSql<{ n: number; vectors: number }>(
          product(),
          `select (select count(*)::integer from vector_pending where tenant_id = $1::integer) as n, (select count(*)::integer from vectors where tenant_id = $1::integer) as vectors`,
          [eve.tenantId],
        )
        expect(waiting).toEqual({ n: 13, vectors: 13 })
        // a vector that no embedder of ours makes stays what it is
        await adminSql(product(), `update vectors set embedding = ('[' || repeat('0,', 383) || '1]')::halfvec where tenant_id = $1::integer`, [eve.tenantId])
        await product().settle()
        expect(await places(eve)).toEqual({ [oldModel]: 13 })
        const [kept] = await adminSql<{ made: number }>(
          product(),
          `select count(*)::integer as made from vectors where tenant_id = $1::integer and embedding <> ('[' || repeat('0,', 383) || '1]')::halfvec`,
          [eve.tenantId],
        )
        expect(kept).toEqual({ made: 0 })
        expect(idsOf((await product().call(eve, 'POST', '/v1/recall', { query: 'boats', mode: 'vector' })).body.results)).toBeInstanceOf(Array)
      })
    },
    ['postgres 18'],
    startNewModel,
  )
else test.skip('models and imports with Milvus (skipped: no TEST_MILVUS_URL)', () => {})
