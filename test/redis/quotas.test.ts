import type { ChildProcess } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminSql } from '../db/admin.ts'
import { exitOf, startProcess, untilLine } from '../http/processes.ts'
import { until } from '../kafka/broker.ts'
import { type Caller, openProduct, type Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { openTwin, type Twin } from './twin.ts'

const postgres = requireService('POSTGRES_URL')

describe.skipIf(!postgres)('a quota over several processes', () => {
  let product: Product
  let twin: Twin
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await openProduct('postgres 18', postgres)
    product = opened.product
    close = opened.close
    twin = await openTwin(product, {})
  })
  afterAll(async () => {
    await twin?.close()
    await close?.()
  })
  const limited = async (limits: Record<string, number>): Promise<Caller> => {
    const caller = await product.tenant()
    await adminSql(product, 'update tenants set limits = $2::jsonb where tenant_id = $1::integer', [caller.tenantId, JSON.stringify(limits)])
    return caller
  }
  const countOf = async ({ tenantId }: Caller) => {
    const [row] = await adminSql<{ n: number }>(product, 'select count(*)::integer as n from memories where tenant_id = $1::integer', [tenantId])
    return row?.n ?? -1
  }

  async function startServer(): Promise<{ server: ChildProcess; url: string }> {
    const { POSTGRES_URL = '', POSTGRES_MIGRATION_URL = '' } = product.local.config
    const environment = { PORT: '0', AUTH_MODE: 'mixed', LOG_LEVEL: 'error', SIGNING_KEY: 'a test signing key', POSTGRES_URL, POSTGRES_MIGRATION_URL }
    const server = startProcess(['bin/soma.ts', 'start'], environment)
    const [, url = ''] = await untilLine(server, /listens on (http:\/\/[\w.:]+)/)
    return { server, url }
  }

  test('servers that are killed in the middle of stores take nothing with them: the limit is reached, and never passed', async () => {
    const limit = 1_200
    const caller = await limited({ memories: limit })
    const answered: number[] = []
    const headers = { authorization: `Bearer ${caller.key}`, 'content-type': 'application/json' }
    const store = (url: string) => fetch(`${url}/v1/memories`, { method: 'POST', headers, body: '{"text":"a memory"}' })
    /** Four clients of a server, until it is killed or the tenant is full. */
    const clients = (url: string) =>
      Array.from({ length: 4 }, async () => {
        for (let status = 201; status === 201; ) {
          const answer = await store(url).catch(() => undefined)
          if (!answer) return
          status = answer.status
          await answer.arrayBuffer().catch(() => {})
          answered.push(status)
        }
      })
    const steady = await startServer()
    const working = clients(steady.url)
    for (let round = 1; round <= 3; round++) {
      const { server, url } = await startServer()
      working.push(...clients(url))
      await until(() => answered.length > round * 200)
      server.kill('SIGKILL')
      await exitOf(server)
    }
    await Promise.all(working)
    steady.server.kill('SIGTERM')
    await exitOf(steady.server)
    const stored = answered.filter((status) => status === 201).length
    expect(new Set(answered)).toEqual(new Set([201, 402]))
    expect(await countOf(caller)).toBe(limit)
    // what was stored without an answer was under way in a server that was killed
    expect(limit - stored).toBeLessThanOrEqual(3 * 4)
  })

  test('two with stores, bulks, changes, replays and forgetting at once: no limit is passed at any moment', async () => {
    const caller = await limited({ memories: 60, bytes: 3_000, daily_writes: 2_000 })
    const seen: { memories: number; bytes: number }[] = []
    let going = true
    const watch = async () => {
      while (going) {
        const [row] = await adminSql<{ memories: number; bytes: number }>(
          product,
          'select count(*)::integer as memories, coalesce(sum(bytes), 0)::integer as bytes from memories where tenant_id = $1::integer',
          [caller.tenantId],
        )
        if (row) seen.push(row)
      }
    }
    const statuses = new Map<number, number>()
    const work = async (worker: number) => {
      const { call } = worker % 2 ? twin : product
      for (let i = 0; i < 60; i++) {
        const pick = (worker * 7 + i) % 6
        const text = 'x'.repeat(1 + ((worker * 13 + i * 5) % 90))
        const key = { 'idempotency-key': `key ${(worker + i) % 25}` }
        const answer =
          pick === 0
            ? await call(caller, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 9 }, () => ({ text })) })
            : pick === 1
              ? await call(caller, 'POST', '/v1/memories', { text, coord: String(i % 5) })
              : pick === 2
                ? await call(caller, 'POST', '/v1/memories', { text: 'the same' }, key)
                : pick === 3
                  ? await forgetOne(call)
                  : await call(caller, 'POST', '/v1/memories', { text })
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      }
    }
    const forgetOne = async (call: Product['call']) => {
      const { items } = (await call(caller, 'POST', '/v1/memories/list', { limit: 3 })).body
      return call(caller, 'DELETE', `/v1/memories/${items.at(-1)?.id ?? '01a1fd1a-e8f9-7fc3-9230-3a81be3932f4'}`)
    }
    const watching = watch()
    await Promise.all(Array.from({ length: 8 }, (_, worker) => work(worker)))
    going = false
    await watching
    expect([...statuses.keys()].filter((status) => ![200, 201, 204, 402, 404, 409].includes(status))).toEqual([])
    expect(statuses.get(402)).toBeGreaterThan(0)
    expect(Math.max(...seen.map(({ memories }) => memories))).toBeLessThanOrEqual(60)
    expect(Math.max(...seen.map(({ bytes }) => bytes))).toBeLessThanOrEqual(3_000)
    // the room that is left can be used to the last memory
    await adminSql(product, `update tenants set limits = '{"memories": 60}' where tenant_id = $1::integer`, [caller.tenantId])
    const room = 60 - (await countOf(caller))
    const last = await Promise.all(Array.from({ length: room + 5 }, (_, i) => (i % 2 ? twin : product).call(caller, 'POST', '/v1/memories', { text: 'one more' })))
    expect(last.filter(({ status }) => status === 201)).toHaveLength(room)
    expect(last.filter(({ status }) => status === 402)).toHaveLength(5)
  })

  test('defaults of the configuration hold for tenants without limits of their own', async () => {
    const strict = await openTwin(product, { QUOTA_MEMORIES: '2' })
    try {
      const [plain, own] = [await product.tenant(), await limited({ memories: 3 })]
      const store = (caller: Caller) => strict.call(caller, 'POST', '/v1/memories', { text: 'a memory' })
      const tried = async (caller: Caller) => [await store(caller), await store(caller), await store(caller), await store(caller)].map(({ status }) => status)
      expect(await tried(plain)).toEqual([201, 201, 402, 402])
      expect(await tried(own)).toEqual([201, 201, 201, 402])
    } finally {
      await strict.close()
    }
  })
})
