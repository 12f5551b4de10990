import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminSql } from '../db/admin.ts'
import { runProcess } from '../http/processes.ts'
import { type Caller, openProduct, type Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { engineAt, milvusAt, servingOf } from './milvus.ts'

const url = requireService('TEST_MILVUS_URL')
const postgres = requireService('POSTGRES_URL')

describe.skipIf(!url || !postgres)(`the command line with Milvus${url && postgres ? '' : ' (skipped: no TEST_MILVUS_URL or POSTGRES_URL)'}`, () => {
  let product: Product
  let close: () => Promise<void>
  let env: Record<string, string>
  let ada: Caller
  beforeAll(async () => {
    const opened = await openProduct('postgres 18', postgres, milvusAt(url as string))
    product = opened.product
    close = opened.close
    const { POSTGRES_URL = '', POSTGRES_MIGRATION_URL = '' } = product.local.config
    env = { ...milvusAt(url as string), POSTGRES_URL, POSTGRES_MIGRATION_URL, SIGNING_KEY: 'a test signing key', SOMA_DATA_DIR: 'memory://', LOG_LEVEL: 'silent' }
    ada = await product.tenant()
    await product.call(ada, 'POST', '/v1/memories/bulk', { items: ['one', 'two', 'three'].map((text) => ({ text })) })
    await product.settle()
  })
  afterAll(() => close?.())
  const soma = async (...args: string[]) => {
    const { code, stdout, stderr } = await runProcess(['bin/soma.ts', ...args, '--json'], env)
    return { code, stderr, body: stdout ? JSON.parse(stdout) : undefined }
  }

  test('verify-index counts both sides, exits 1 while they differ, and repairs; rebuild-index makes a new collection', async () => {
    const [memory] = await adminSql<{ memory_key: string }>(product, 'select memory_key from memories where tenant_id = $1::integer limit 1', [ada.tenantId])
    const engine = engineAt(url as string)
    const collection = await servingOf(product)
    await engine.remove(collection, ada.tenantId, [{ memoryKey: memory?.memory_key as string, version: 1 }])
    const verify = (...more: string[]) => soma('verify-index', '--tenant', ada.tenant, ...more)
    expect(await verify()).toMatchObject({ code: 1, body: { whole: false, memories: 3, checks: [{ vectors: 3, engine_vectors: 2, missing: 1, stale: 0 }] } })
    expect(await verify('--repair')).toMatchObject({ code: 0, body: { whole: true, checks: [{ missing: 0, repaired: 1 }] } })

    const rebuilt = await soma('rebuild-index')
    expect(rebuilt).toMatchObject({ code: 0, body: { collections: [{ collection: await servingOf(product), copied: 3 }] } })
    expect(await servingOf(product)).not.toBe(collection)
    expect(await engine.count(await servingOf(product), ada.tenantId)).toBe(3)
    await engine.close()
  })

  test('doctor asks Milvus and says where to look; rebuild-index has nothing to do for pgvector', async () => {
    const check = async (more: Record<string, string>) => {
      const { stdout } = await runProcess(['bin/soma.ts', 'doctor', '--json'], { ...env, ...more })
      return JSON.parse(stdout).checks.find(({ name }: { name: string }) => name === 'vector_engine')
    }
    expect(await check({})).toMatchObject({ ok: true, detail: expect.stringContaining('answers') })
    expect(await check({ MILVUS_TLS: '1' })).toMatchObject({ ok: false, detail: expect.stringContaining('MILVUS_TLS takes 0') })
    const { code, stderr } = await runProcess(['bin/soma.ts', 'rebuild-index'], { ...env, VECTOR_ENGINE: 'pgvector' })
    expect([code, stderr]).toEqual([2, expect.stringContaining('VECTOR_ENGINE is pgvector')])
  })
})
