import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Embedder, hashEmbedder } from '../../shared/embed/index.ts'
import { verifyVectors } from '../../shared/model/index.ts'
import { buildCollections, type EngineRow, modelsInUse, rebuildCollections, type VectorEngine } from '../../shared/vector/index.ts'
import { adminSql, idsOf, loseWakeUps } from '../db/admin.ts'
import { type Caller, describeBeside, describeEngines } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { engineAt, milvusAt, servingOf } from './milvus.ts'

const url = requireService('TEST_MILVUS_URL')
const never = new AbortController().signal
const row = (tenantId: number, memoryKey: string, more: Partial<EngineRow>): EngineRow => ({
  tenantId,
  memoryKey,
  version: 1,
  id: randomUUID(),
  namespaceKey: 1,
  userKey: null,
  recordedMs: 0,
  createdMs: 0,
  occurredMs: null,
  importance: 1,
  marks: [],
  vector: new Float32Array(384).fill(1),
  ...more,
})

if (url) describeBeside(['postgres 18'], milvusAt(url))
if (url)
  describeEngines('Milvus beside Postgres', (product) => {
    let engine: VectorEngine
    let embedder: Embedder
    let ada: Caller
    beforeAll(async () => {
      engine = engineAt(url)
      embedder = hashEmbedder(384)
      await loseWakeUps(product())
      ada = await product().tenant()
    })
    afterAll(() => engine?.close())
    const worker = () => product().local.db.worker
    const find = async (query: string, caller = ada) => idsOf((await product().call(caller, 'POST', '/v1/recall', { query, mode: 'vector', consistency: 'eventual' })).body.results)
    const verify = async (repair: boolean) => {
      const { detail } = await verifyVectors({ worker: worker(), engine, embedder, next: undefined, repair, onRefused: () => {} }, never)
      return Object.values(detail ?? {})[0] as { missing: number; stale: number; repaired: number; engine_vectors: number; vectors: number }
    }
    const store = async (items: { text: string; user_id?: string }[], caller = ada): Promise<string[]> => {
      const { body } = await product().call(caller, 'POST', '/v1/memories/bulk', { items })
      await product().settle()
      return body.results.map(({ id }: { id: string }) => id)
    }
    const placesOf = async (id: string) => {
      const [memory] = await adminSql<{ memory_key: string; namespace_key: number }>(product(), 'select memory_key, namespace_key from memories where id = $1::uuid', [id])
      return memory as { memory_key: string; namespace_key: number }
    }

    test('what Milvus has lost is found again, and what nothing stands behind is removed, by the check', async () => {
      const ids = await store([{ text: 'red wine' }, { text: 'white wine' }, { text: 'sparkling water' }])
      const collection = await servingOf(product())
      expect(await verify(false)).toMatchObject({ missing: 0, stale: 0 })
      const lost = await placesOf(ids[0] as string)
      const differs = await placesOf(ids[1] as string)
      await engine.remove(collection, ada.tenantId, [{ memoryKey: lost.memory_key, version: 1 }])
      await engine.remove(collection, ada.tenantId, [{ memoryKey: differs.memory_key, version: 1 }])
      await engine.insert(collection, [
        row(ada.tenantId, differs.memory_key, { id: ids[1] as string, namespaceKey: differs.namespace_key }),
        row(ada.tenantId, differs.memory_key, { version: 9, namespaceKey: differs.namespace_key }),
        row(ada.tenantId, '999999999', { namespaceKey: differs.namespace_key }),
      ])
      expect(await find('red wine')).not.toContain(ids[0])
      expect(await verify(false)).toMatchObject({ missing: 1, stale: 3, repaired: 0 })
      expect(await verify(true)).toMatchObject({ missing: 1, stale: 3, repaired: 4 })
      expect(await verify(false)).toMatchObject({ missing: 0, stale: 0, repaired: 0 })
      expect(await find('red wine')).toContain(ids[0])
      const metrics = (await product().call(null, 'GET', '/metrics')).text
      expect(metrics).toMatch(/vector_index_missing\{model="[^"]+"\} 0/)
      expect(metrics).toMatch(/vector_index_check_age_seconds\{model="[^"]+"\} \d/)
    })

    test('what Postgres itself lacks, or has of another version, is mended too', async () => {
      const [id, other] = (await store([{ text: 'a bicycle' }, { text: 'a tricycle' }])) as [string, string]
      await adminSql(product(), 'delete from vectors v using memories m where m.id = $1::uuid and v.tenant_id = m.tenant_id and v.memory_key = m.memory_key', [id])
      await adminSql(product(), 'update vectors v set version = 7 from memories m where m.id = $1::uuid and v.tenant_id = m.tenant_id and v.memory_key = m.memory_key', [other])
      expect(await find('a bicycle')).not.toContain(id)
      const found = await verify(true)
      expect([found.missing >= 1, found.stale >= 1]).toEqual([true, true])
      expect(await verify(false)).toMatchObject({ missing: 0, stale: 0 })
      expect(await find('a bicycle')).toEqual(expect.arrayContaining([id, other]))
    })

    test('places of a lost future, of another tenant and of another user are never served, whatever Milvus says', async () => {
      const eve = await product().tenant()
      const [secret] = (await store([{ text: 'the vault code is 1234', user_id: 'eve' }], eve)) as [string]
      const [own, gone] = (await store([{ text: 'the vault is heavy' }, { text: 'the vault code' }])) as [string, string]
      const collection = await servingOf(product())
      const [hers, mine, forgotten] = [await placesOf(secret), await placesOf(own), await placesOf(gone)]
      await product().call(ada, 'DELETE', `/v1/memories/${gone}`)
      await product().settle()
      const [vector] = (await embedder.embed(['the vault code is 1234'])) as [Float32Array]
      const at = { namespaceKey: mine.namespace_key, vector }
      await engine.insert(collection, [
        row(ada.tenantId, hers.memory_key, { ...at, id: secret }),
        row(ada.tenantId, forgotten.memory_key, { ...at, id: gone }),
        row(ada.tenantId, '888888888', at),
        row(ada.tenantId, mine.memory_key, { ...at, version: 5 }),
      ])
      const { body } = await product().call(ada, 'POST', '/v1/recall', { query: 'the vault code is 1234', mode: 'vector', top_k: 100 })
      expect(idsOf(body.results)).toContain(own)
      for (const hidden of [secret, gone]) expect(idsOf(body.results)).not.toContain(hidden)
      // the cosine is that of Postgres' own vector, not of the place that lies
      const exact = await product().call(ada, 'POST', '/v1/recall', { query: 'the vault code is 1234', mode: 'vector', top_k: 100, filters: { text: 'the vault is heavy' } })
      const scoreOf = (results: { id: string; score: number }[]) => results.find((one) => one.id === own)?.score
      expect([scoreOf(body.results), (scoreOf(body.results) ?? 1) < 0.99]).toEqual([scoreOf(exact.body.results), true])
      expect((await verify(true)).stale).toBe(4)
    })

    test('a condition that Milvus is not told of is fulfilled all the same, though the nearest two hundred do not', async () => {
      const caller = await product().tenant()
      const near = Array.from({ length: 260 }, (_, i) => ({ text: `the harbour at dawn, picture ${i}`, tags: ['near'] }))
      const far = Array.from({ length: 10 }, (_, i) => ({ text: `zebra ${i} near some harbour, and much else about stripes`, tags: ['far'] }))
      await product().call(caller, 'POST', '/v1/memories/bulk', { items: near })
      await product().call(caller, 'POST', '/v1/memories/bulk', { items: far })
      await product().settle()
      const { body } = await product().call(caller, 'POST', '/v1/recall', {
        query: 'the harbour at dawn',
        mode: 'vector',
        top_k: 100,
        filters: { NOT: { tags: { contains: 'near' } } },
      })
      expect(body.results.map(({ text }: { text: string }) => text).sort()).toEqual(far.map(({ text }) => text).sort())
    })

    test('a collection is made anew while memories are stored, changed and forgotten, and has all of them when it takes over', async () => {
      const ids = await store(Array.from({ length: 120 }, (_, i) => ({ text: `note number ${i} about gardens` })))
      const before = await servingOf(product())
      const models = await modelsInUse(worker(), embedder)
      let copied = 0
      const busy = (async () => {
        for (let i = 0; i < 15; i++) {
          const { call, settle } = product()
          await call(ada, 'POST', '/v1/memories', { text: `written meanwhile ${i}` })
          await call(ada, 'PATCH', `/v1/memories/${ids[i]}`, { text: `note number ${i} changed meanwhile` })
          await call(ada, 'DELETE', `/v1/memories/${ids[100 + i]}`)
          await settle()
          expect((await find(`written meanwhile ${i}`)).length).toBeGreaterThan(0)
        }
      })()
      const made = await rebuildCollections({ worker: worker(), engine, models, onCopied: () => copied++ }, never)
      await busy
      const serving = await servingOf(product())
      expect([made[0]?.collection, serving !== before, copied > 0]).toEqual([serving, true, true])
      const found = await verify(false)
      expect([found.missing, found.stale]).toEqual([0, 0])
      // the one before is removed a minute later
      expect(await engine.has(before)).toBe(true)
      await adminSql(product(), `update vector_collections set changed_at = now() - interval '2 minutes' where state = 'retired'`)
      await buildCollections({ worker: worker(), engine, models }, never)
      expect([await engine.has(before), await engine.has(serving)]).toEqual([false, true])
    })

    test('a build that died is gone on with, one at a time; one that Milvus has lost is made again, and meanwhile recall is degraded or exact, never wrong', async () => {
      const models = await modelsInUse(worker(), embedder)
      const ending = new AbortController()
      await expect(rebuildCollections({ worker: worker(), engine, models, onCopied: (_model, so) => so > 0 && ending.abort() }, ending.signal)).rejects.toThrow()
      const building = () => adminSql<{ name: string; copied: string }>(product(), `select name, copied from vector_collections where state = 'building'`)
      const [begun] = await building()
      expect(Number(begun?.copied)).toBeGreaterThan(0)
      await adminSql(product(), `update vector_collections set lease_owner = $1::uuid, lease_expires_at = now() + interval '1 minute' where state = 'building'`, [randomUUID()])
      await expect(rebuildCollections({ worker: worker(), engine, models }, never)).rejects.toMatchObject({ code: 'conflict' })
      await adminSql(product(), `update vector_collections set lease_expires_at = now() - interval '1 second' where state = 'building'`)
      const [made] = await rebuildCollections({ worker: worker(), engine, models }, never)
      expect(made?.collection).toBe(begun?.name)
      await engine.drop(made?.collection as string)
      const lost = await product().call(ada, 'POST', '/v1/recall', { query: 'gardens', mode: 'vector' })
      expect([lost.status, lost.body.degraded_reasons]).toEqual([200, ['vector_engine_unavailable']])
      await product().local.runJob('build-ann')
      expect(await verify(false)).toMatchObject({ missing: 0, stale: 0 })
      expect((await product().call(ada, 'POST', '/v1/recall', { query: 'gardens', mode: 'vector' })).body.degraded).toBe(false)
    })

    test('after a restore, which raises the generation, no collection of before is asked', async () => {
      await store([{ text: 'before the restore' }])
      const before = await servingOf(product())
      await adminSql(product(), 'update installation set generation = generation + 1')
      try {
        // without a collection Postgres is searched
        expect((await find('before the restore')).length).toBeGreaterThan(0)
        await product().local.runJob('build-ann')
        const serving = await servingOf(product())
        expect([serving !== before, (await verify(false)).missing]).toEqual([true, 0])
      } finally {
        await adminSql(product(), 'update installation set generation = generation - 1')
      }
    })
  })
else test.skip('Milvus beside Postgres (skipped: no TEST_MILVUS_URL)', () => {})
