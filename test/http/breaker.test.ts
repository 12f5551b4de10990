import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { dispatch } from '../../local/dispatch.ts'
import { createHandlers } from '../../local/handlers.ts'
import { freePort } from '../../local/services/command.ts'
import { type Config, parseConfig } from '../../shared/config/index.ts'
import type { RecordHandler } from '../../shared/handler/index.ts'
import { assembleRuntime } from '../../shared/host/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { adminSql, passTime } from '../db/admin.ts'
import { type EmbeddingServer, startEmbeddingServer } from '../support/embedding-server.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'

const never = new AbortController().signal
type Recalled = { results: { text: string }[]; degraded: boolean; degraded_reasons: string[] }

/** The product's database under another configuration, in the same process. */
function under({ local }: Product, given: Record<string, string>) {
  const config: Config = { ...parseConfig({ ...given, LOG_LEVEL: 'silent' }), AUTH_MODE: local.config.AUTH_MODE }
  const runtime = assembleRuntime(config, createLog('silent'), local.db, { signingKey: 'a test signing key', wake() {}, wakesSent: async () => {} })
  const { http, jobs, records } = createHandlers(runtime)
  const app = dispatch(http)
  const ask = async (caller: Caller | null, path: string, body?: unknown) => {
    const headers = { ...(caller ? { authorization: `Bearer ${caller.key}` } : {}), 'content-type': 'application/json' }
    const response = await app.fetch(new Request(`http://soma.test${path}`, body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) }))
    return { status: response.status, text: await response.text() }
  }
  return {
    runtime,
    ask,
    index: records['index-vectors'] as RecordHandler,
    drain: () => (jobs['drain-outbox'] as (signal: AbortSignal) => Promise<unknown>)(never),
    async store(caller: Caller, texts: string[]) {
      expect((await ask(caller, '/v1/memories/bulk', { items: texts.map((text) => ({ text })) })).status).toBe(200)
    },
    async recall(caller: Caller, query = 'tea'): Promise<Recalled> {
      const { status, text } = await ask(caller, '/v1/recall', { query })
      expect(status, text).toBe(200)
      return JSON.parse(text)
    },
    async gauge(line: string): Promise<string | undefined> {
      const { text } = await ask(null, '/metrics')
      return text
        .split('\n')
        .find((one) => one.startsWith(`${line} `))
        ?.slice(line.length + 1)
    },
    health: async () => JSON.parse((await ask(null, '/health')).text),
  }
}

describeEngines(
  'an embedder behind a server',
  (product) => {
    let server: EmbeddingServer
    beforeEach(async () => {
      server = await startEmbeddingServer()
    })
    afterEach(() => server.close())
    const here = (more: Record<string, string> = {}) =>
      under(product(), {
        EMBEDDER: 'http',
        EMBEDDING_URL: server.url,
        EMBEDDING_MODEL: 'm',
        EMBEDDING_API_KEY: 'the-secret',
        EMBEDDING_TIMEOUT_MS: '300',
        BREAKER_OPEN_SECONDS: '600',
        ...more,
      })
    const rows = ({ tenantId }: Caller) =>
      adminSql<{ status: string; attempts: number; last_error: string | null }>(
        product(),
        'select status, attempts, last_error from outbox where tenant_id = $1::integer order by seq',
        [tenantId],
      )
    const counted = async ({ tenantId }: Caller, table: 'vectors' | 'memory_events') => {
      const [row] = await adminSql<{ rows: number }>(product(), `select count(*)::integer as rows from ${table} where tenant_id = $1::integer`, [tenantId])
      return row?.rows
    }

    test('when it fails, recall answers by words and says so; after three calls it is not asked, the gauges and health say that, and nobody else is refused', async () => {
      const [ada, bob] = [await product().tenant(), await product().tenant()]
      const soma = here()
      for (const caller of [ada, bob]) await soma.store(caller, ['tea in the morning'])
      expect(await soma.recall(ada)).toMatchObject({ degraded: false, results: [{ text: 'tea in the morning' }] })
      server.answer(() => ({ status: 500, body: '' }))
      const degraded = { degraded: true, degraded_reasons: ['embedder_unavailable'], results: [{ text: 'tea in the morning' }] }
      for (let i = 0; i < 3; i++) expect(await soma.recall(ada)).toMatchObject(degraded)
      server.asked.length = 0
      for (let i = 0; i < 5; i++) expect(await soma.recall(ada)).toMatchObject(degraded)
      expect(server.asked).toEqual([])
      expect(await soma.gauge(`circuit_breaker_state{tenant="${ada.tenant}",state="open"}`)).toBe('1')
      expect(await soma.gauge('circuit_breaker_state{tenant="default",state="open"}')).toBe('0')
      expect(await soma.gauge('dependency_breaker_state{dependency="embedder",state="open"}')).toBe('0')

      server.answer('well')
      expect(await soma.recall(bob)).toMatchObject({ degraded: false })
      expect(await soma.gauge(`circuit_breaker_state{tenant="${bob.tenant}",state="open"}`)).toBeUndefined()

      await server.down()
      for (const caller of [bob, bob, bob, await product().tenant(), await product().tenant()]) expect(await soma.recall(caller)).toMatchObject({ degraded: true })
      for (const line of [`circuit_breaker_state{tenant="${bob.tenant}"`, 'circuit_breaker_state{tenant="default"', 'dependency_breaker_state{dependency="embedder"'])
        expect([line, await soma.gauge(`${line},state="open"}`), await soma.gauge(`${line},state="closed"}`)]).toEqual([line, '1', '0'])
    })

    test('health names it with its state, in bounded time, without a secret or an address; a process that is ready stays so', async () => {
      const soma = here()
      server.answer('hangs')
      const health = await soma.health()
      expect(health).toMatchObject({ status: 'degraded', ok: true, ready: true, components: { app: { ok: true }, embedder: { ok: false, state: 'closed' } } })
      expect(health.components.embedder.detail).toContain('EMBEDDING_URL')
      expect(JSON.stringify(health)).not.toMatch(/the-secret|127\.0\.0\.1/)
      for (const [path, status] of [
        ['/readyz', 200],
        ['/healthz', 200],
      ] as const)
        expect((await soma.ask(null, path)).status).toBe(status)
      server.answer('well')
      await here().recall(await product().tenant())
      expect(await here().health()).toMatchObject({ status: 'ok', components: { embedder: { ok: true, state: 'closed' } } })
    })

    test('when it is back, one call finds out, and recall is whole again', async () => {
      const ada = await product().tenant()
      const soma = here({ BREAKER_OPEN_SECONDS: '1' })
      await soma.store(ada, ['tea'])
      server.answer('hangs')
      for (let i = 0; i < 4; i++) expect(await soma.recall(ada)).toMatchObject({ degraded: true })
      expect(await soma.gauge(`circuit_breaker_state{tenant="${ada.tenant}",state="open"}`)).toBe('1')
      server.answer('well')
      await expect.poll(async () => (await soma.recall(ada)).degraded, { timeout: 10_000, interval: 100 }).toBe(false)
      expect(await soma.gauge(`circuit_breaker_state{tenant="${ada.tenant}",state="open"}`)).toBeUndefined()
    })

    test('however it fails, a recall is answered; what it refuses by a 4xx opens nothing, for nobody', async () => {
      const ada = await product().tenant()
      await here().store(ada, ['tea'])
      const vectors = (length: number) => JSON.stringify({ data: [{ index: 0, embedding: Array(length).fill(1) }] })
      const answers = [
        { status: 500, body: '' },
        { status: 429, headers: { 'retry-after': '3600' }, body: '' },
        { status: 200, body: '<html>' },
        { status: 200, body: vectors(3) },
        'hangs',
      ] as const
      for (const answer of answers) {
        server.answer(typeof answer === 'string' ? answer : () => answer)
        expect(await here().recall(ada)).toMatchObject({ degraded: true, degraded_reasons: ['embedder_unavailable'], results: [{ text: 'tea' }] })
      }
      const soma = here()
      for (const status of [400, 401, 403, 404, 413, 422]) {
        server.answer(() => ({ status, body: '' }))
        for (let i = 0; i < 3; i++) expect(await soma.recall(ada)).toMatchObject({ degraded: true, degraded_reasons: ['embedder_refused'], results: [{ text: 'tea' }] })
      }
      server.answer('well')
      expect(await soma.recall(ada)).toMatchObject({ degraded: false })
      expect(await soma.gauge('dependency_breaker_state{dependency="embedder",state="closed"}')).toBe('1')
    })

    test('where 30 % of its answers fail all is found and indexed, and nothing opens', async () => {
      const ada = await product().tenant()
      const soma = here()
      server.answer((_, times) => ((times * 3) % 10 < 3 ? { status: 503, body: '' } : 'well'))
      for (let i = 0; i < 20; i++) await soma.store(ada, [`tea number ${i}`])
      for (let i = 0; i < 20; i++) expect(await soma.recall(ada, `tea ${i}`)).toMatchObject({ degraded: false })
      await soma.drain()
      expect([await counted(ada, 'vectors'), (await rows(ada)).every(({ status }) => status === 'sent')]).toEqual([20, true])
      expect(await soma.gauge('dependency_breaker_state{dependency="embedder",state="closed"}')).toBe('1')
    })

    describe('indexing', () => {
      test('an outage makes no event dead and uses up no attempt, however long; the projection goes on, and what waits is indexed when it ends', async () => {
        const [ada, bob] = [await product().tenant(), await product().tenant()]
        const soma = here({ BREAKER_OPEN_SECONDS: '1' })
        await server.down()
        await soma.store(ada, ['tea', 'coffee', 'milk'])
        await soma.store(bob, ['tea'])
        for (let i = 0; i < 15; i++) {
          await soma.drain()
          for (const caller of [ada, bob]) await passTime(product(), caller)
        }
        expect(await rows(ada)).toEqual(Array(3).fill({ status: 'pending', attempts: 0, last_error: expect.stringContaining('index-vectors: The embedder fails') }))
        expect([await counted(ada, 'memory_events'), await counted(bob, 'memory_events'), await counted(ada, 'vectors')]).toEqual([3, 1, 0])
        await server.up()
        await expect
          .poll(
            async () => {
              for (const caller of [ada, bob]) await passTime(product(), caller)
              await soma.drain()
              return [await counted(ada, 'vectors'), await counted(bob, 'vectors')]
            },
            { timeout: 15_000, interval: 100 },
          )
          .toEqual([3, 1])
        expect((await rows(ada)).map(({ status }) => status)).toEqual(['sent', 'sent', 'sent'])
        expect(await counted(ada, 'memory_events')).toBe(3)
      })

      test('a text that it refuses, while it takes others, is dead at once with the reason, and holds up nothing', async () => {
        const ada = await product().tenant()
        const soma = here()
        await soma.store(ada, ['tea', 'a text of which it will have nothing', 'milk'])
        server.answer(({ input }) => (input.some((text) => text.includes('nothing')) ? { status: 400, body: '' } : 'well'))
        await soma.drain()
        expect((await rows(ada)).map(({ status, last_error }) => [status, last_error])).toEqual([
          ['sent', null],
          ['dead', expect.stringMatching(/^index-vectors: The embedding server refused what it was sent \(400\)/)],
          ['sent', null],
        ])
        expect([await counted(ada, 'vectors'), await counted(ada, 'memory_events')]).toEqual([2, 3])
      })

      test('when it refuses everything, a wrong key for one, the events wait', async () => {
        const ada = await product().tenant()
        const soma = here()
        await soma.store(ada, ['tea', 'milk'])
        server.answer(() => ({ status: 401, body: '' }))
        await soma.drain()
        expect(await rows(ada)).toEqual(Array(2).fill({ status: 'pending', attempts: 0, last_error: expect.stringContaining('look at EMBEDDING_API_KEY') }))
      })
    })
  },
  ['pglite', 'postgres 18'],
)

describeEngines(
  'a broker that is not there',
  (product) => {
    test('is not asked any more after three drains of a tenant; its rows wait, with no attempt used up, and say why', async () => {
      const ada = await product().tenant()
      const soma = under(product(), { KAFKA_BOOTSTRAP_SERVERS: `127.0.0.1:${await freePort()}`, BREAKER_OPEN_SECONDS: '600' })
      await soma.store(ada, ['tea'])
      for (let i = 0; i < 4; i++) {
        await soma.drain()
        await passTime(product(), ada)
      }
      expect(await soma.gauge(`circuit_breaker_state{tenant="${ada.tenant}",state="open"}`)).toBe('1')
      expect(await adminSql(product(), 'select status, attempts, last_error from outbox where tenant_id = $1::integer', [ada.tenantId])).toEqual([
        {
          status: 'pending',
          attempts: 0,
          last_error: expect.stringMatching(/^The broker fails \(No broker answers at .*KAFKA_BOOTSTRAP_SERVERS.*\), and is not asked for now\.$/),
        },
      ])
      expect(await soma.health()).toMatchObject({ status: 'degraded', components: { broker: { ok: false, detail: expect.stringContaining('KAFKA_BOOTSTRAP_SERVERS') } } })
      await soma.runtime.kafka?.close()
    }, 60_000)
  },
  ['pglite'],
)
