import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningMilvus, startMilvus } from '../../local/services/milvus.ts'
import { hashEmbedder } from '../../shared/embed/index.ts'
import { verifyVectors } from '../../shared/model/index.ts'
import { adminSql, idsOf, loseWakeUps } from '../db/admin.ts'
import { startProcess, untilLine } from '../http/processes.ts'
import { openProduct, type Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { engineAt, milvusAt } from './milvus.ts'

const url = requireService('TEST_MILVUS_URL')
const postgres = requireService('POSTGRES_URL')
const rounds = 3
const perRound = 16

describe.skipIf(!url || !postgres)(`indexers and Milvus that are killed${url && postgres ? '' : ' (skipped: no TEST_MILVUS_URL or POSTGRES_URL)'}`, () => {
  let milvus: RunningMilvus
  let product: Product
  let close: () => Promise<void>
  beforeAll(async () => {
    milvus = await startMilvus()
    const opened = await openProduct('postgres 18', postgres, { ...milvusAt(milvus.url), BREAKER_OPEN_SECONDS: '1' })
    product = opened.product
    close = opened.close
    await loseWakeUps(product)
  }, 120_000)
  afterAll(async () => {
    await close?.()
    await milvus?.stop()
  })

  test('at whatever moment: nothing that left the queue is missing in Milvus, and what was forgotten is in no answer', async () => {
    const ada = await product.tenant()
    const { POSTGRES_URL = '', POSTGRES_MIGRATION_URL = '' } = product.local.config
    const env = { ...milvusAt(milvus.url), POSTGRES_URL, POSTGRES_MIGRATION_URL, SIGNING_KEY: 'a test signing key', SOMA_DATA_DIR: 'memory://', LOG_LEVEL: 'silent' }
    const kept: { id: string; text: string }[] = []
    const forgotten: string[] = []
    for (let round = 0; round < rounds; round++) {
      const texts = Array.from({ length: perRound }, (_, i) => `round ${round} item ${i} of the killed`)
      const stored = await product.call(ada, 'POST', '/v1/memories/bulk', { items: texts.map((text) => ({ text })) })
      const ids: string[] = stored.body.results.map(({ id }: { id: string }) => id)
      for (const [i, id] of ids.entries()) {
        if (i % 8 === 0) {
          await product.call(ada, 'DELETE', `/v1/memories/${id}`)
          forgotten.push(id)
        } else if (i % 8 === 1) {
          const text = `round ${round} item ${i} changed`
          await product.call(ada, 'PATCH', `/v1/memories/${id}`, { text })
          kept.push({ id, text })
        } else kept.push({ id, text: texts[i] as string })
      }
      const indexer = startProcess(['test/milvus/killed-indexer.ts'], env)
      await untilLine(indexer, /ready/)
      await sleep(30 + Math.random() * 300)
      // one or the other, or both
      if (round % 2) await milvus.kill()
      indexer.kill('SIGKILL')
      if (indexer.exitCode === null && indexer.signalCode === null) await once(indexer, 'exit')
      if (round % 2) await milvus.restart()
      // a lease of the killed one would last for a minute
      await adminSql(product, `update outbox set status = 'pending', lease_owner = null, lease_expires_at = null, next_attempt_at = now() where status = 'leased'`)
      await adminSql(product, `insert into outbox_ready (tenant_id, not_before) values ($1::integer, now())`, [ada.tenantId])
    }
    const waiting = () => adminSql(product, `select 1 from outbox where tenant_id = $1::integer and status <> 'sent'`, [ada.tenantId])
    for (let tries = 0; (await waiting()).length && tries < 100; tries++) {
      await adminSql(product, `update outbox set next_attempt_at = now() where status = 'pending'`)
      await adminSql(product, `insert into outbox_ready (tenant_id, not_before) values ($1::integer, now())`, [ada.tenantId])
      await product.settle()
    }
    expect(await waiting()).toEqual([])
    const engine = engineAt(milvus.url)
    const embedder = hashEmbedder(384)
    const deps = { worker: product.local.db.worker, engine, embedder, next: undefined, onRefused: () => {} }
    const { detail } = await verifyVectors({ ...deps, repair: false }, new AbortController().signal)
    expect(Object.values(detail ?? {})[0]).toMatchObject({ missing: 0, vectors: kept.length, memories: kept.length })
    await engine.close()
    for (const { id, text } of kept.filter((_, i) => i % 9 === 0)) {
      const { body } = await product.call(ada, 'POST', '/v1/recall', { query: text, mode: 'vector', consistency: 'eventual', top_k: 100 })
      expect([text, idsOf(body.results)[0], body.degraded]).toEqual([text, id, false])
      expect(idsOf(body.results).filter((one) => forgotten.includes(one))).toEqual([])
    }
  })
})
