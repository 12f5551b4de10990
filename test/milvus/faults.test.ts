import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openLocal } from '../../local/adapter.ts'
import { type RunningMilvus, startMilvus } from '../../local/services/milvus.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { adminSql, idsOf, loseWakeUps } from '../db/admin.ts'
import { type EmbeddingServer, startEmbeddingServer } from '../support/embedding-server.ts'
import { type Caller, openProduct, type Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { engineAt, milvusAt, servingOf } from './milvus.ts'

const url = requireService('TEST_MILVUS_URL')
const postgres = requireService('POSTGRES_URL')

test('a server whose Milvus is not there starts, serves, and says in its health where to look', async () => {
  const config = parseConfig({ SOMA_DATA_DIR: 'memory://', LOG_LEVEL: 'silent', ...milvusAt('http://127.0.0.1:1') })
  const local = await openLocal(config, createLog('silent'))
  try {
    const health = (await (await local.fetch(new Request('http://127.0.0.1/health'))).json()) as { status: string; components: { vector_engine: object } }
    expect([health.status, health.components.vector_engine]).toEqual(['degraded', expect.objectContaining({ ok: false, detail: expect.stringContaining('MILVUS_HOST') })])
    const post = (path: string, body: object) =>
      local.fetch(new Request(`http://127.0.0.1${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }))
    expect((await post('/v1/memories', { text: 'green tea' })).status).toBe(201)
    const recalled = (await (await post('/v1/recall', { query: 'green tea' })).json()) as { results: unknown[]; degraded: boolean }
    // no collection was ever made: Postgres is searched, and what waits is embedded by the recall
    expect([recalled.results.length, recalled.degraded]).toEqual([1, false])
    await expect(local.runJob('build-ann')).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('MILVUS_HOST') })
  } finally {
    await local.close()
  }
})

describe.skipIf(!url || !postgres)(`while Milvus is away${url && postgres ? '' : ' (skipped: no TEST_MILVUS_URL or POSTGRES_URL)'}`, () => {
  let milvus: RunningMilvus
  let embedding: EmbeddingServer
  let product: Product
  let close: () => Promise<void>
  let ada: Caller
  // its own: others share the one of the environment
  beforeAll(async () => {
    milvus = await startMilvus()
    embedding = await startEmbeddingServer()
    const model = { EMBEDDER: 'http', EMBEDDING_URL: embedding.url, EMBEDDING_MODEL: 'a-model' }
    const opened = await openProduct('postgres 18', postgres, { ...milvusAt(milvus.url), ...model, BREAKER_OPEN_SECONDS: '1', BREAKER_FAILURES: '3' })
    product = opened.product
    close = opened.close
    await loseWakeUps(product)
    ada = await product.tenant()
  }, 120_000)
  afterAll(async () => {
    await close?.()
    await milvus?.stop()
    await embedding?.close()
  })
  const recall = async (query: string, mode: string) => (await product.call(ada, 'POST', '/v1/recall', { query, mode })).body
  const store = async (text: string) => (await product.call(ada, 'POST', '/v1/memories', { text })).body.id as string
  const outbox = () =>
    adminSql<{ status: string; attempts: number }>(product, `select status, attempts from outbox where tenant_id = $1::integer and status <> 'sent'`, [ada.tenantId])
  /** What waited is tried again at a time of its own: now. */
  const due = () =>
    adminSql(
      product,
      `with o as (update outbox set next_attempt_at = now() where status = 'pending' returning 1), r as (update outbox_ready set not_before = now() returning 1) select 1`,
    )
  const drained = async () => {
    for (let tries = 0; (await outbox()).length && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      await due()
      await product.settle()
    }
    return outbox()
  }

  test('recall answers by words and says so, stores go on, indexing waits without using up an attempt; back again, everything is found by meaning', async () => {
    const tea = await store('a cup of green tea')
    await product.settle()
    expect(idsOf((await recall('green tea', 'vector')).results)).toEqual([tea])
    expect((await product.call(null, 'GET', '/health')).body.components.vector_engine).toMatchObject({ ok: true, state: 'closed' })

    await milvus.kill()
    for (let i = 0; i < 4; i++) {
      const { results, degraded, degraded_reasons: reasons } = await recall('green tea', 'hybrid')
      expect([idsOf(results), degraded, reasons]).toEqual([[tea], true, ['vector_engine_unavailable']])
      expect(results[0].score_breakdown.semantic).toBeGreaterThan(0)
    }
    const coffee = await store('a mug of black coffee')
    // what waits for its vector is embedded by the recall itself
    const waiting = await recall('black coffee', 'vector')
    expect([idsOf(waiting.results), waiting.degraded]).toEqual([[coffee], true])
    for (let i = 0; i < 3; i++) {
      await due()
      await product.settle()
    }
    expect(await outbox()).toEqual([{ status: 'pending', attempts: 0 }])
    const metrics = (await product.call(null, 'GET', '/metrics')).text
    expect(metrics).toContain('dependency_breaker_state{dependency="vector_engine",state="open"} 1')

    await milvus.restart()
    expect(await drained()).toEqual([])
    for (const [query, id] of [
      ['black coffee', coffee],
      ['green tea', tea],
    ] as const) {
      const { results, degraded } = await recall(query, 'vector')
      expect([idsOf(results)[0], degraded]).toEqual([id, false])
    }
    expect((await adminSql(product, 'select 1 from vector_pending where tenant_id = $1::integer', [ada.tenantId])).length).toBe(0)
  })

  test('one that takes connections and says nothing holds up no recall for long, and comes back', async () => {
    milvus.freeze()
    try {
      const { degraded_reasons: reasons } = await recall('green tea', 'hybrid')
      expect(reasons).toEqual(['vector_engine_unavailable'])
    } finally {
      milvus.thaw()
    }
    const juice = await store('orange juice')
    expect(await drained()).toEqual([])
    expect(idsOf((await recall('orange juice', 'vector')).results)[0]).toBe(juice)
  })

  test('a memory that is forgotten while it is away is gone from every answer, and from Milvus when it is back', async () => {
    const secret = await store('a secret recipe')
    expect(await drained()).toEqual([])
    await milvus.kill()
    await product.call(ada, 'DELETE', `/v1/memories/${secret}`)
    await milvus.restart()
    const engine = engineAt(milvus.url)
    const collection = await servingOf(product)
    const before = await engine.count(collection, ada.tenantId)
    expect(idsOf((await recall('a secret recipe', 'vector')).results)).not.toContain(secret)
    expect(await drained()).toEqual([])
    expect(await engine.count(collection, ada.tenantId)).toBe(before - 1)
    await engine.close()
  })
})
