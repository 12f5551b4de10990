import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openLocal } from '../../local/adapter.ts'
import { parseConfig } from '../../shared/config/index.ts'
import type { EventRecord } from '../../shared/handler/index.ts'
import { observeJob } from '../../shared/host/index.ts'
import { createApp } from '../../shared/http/index.ts'
import { publishRecords } from '../../shared/outbox/publish.ts'
import { createMetrics, type Log } from '../../shared/telemetry/index.ts'
import { noTracing, startSpan, startTracing, type Tracing, traced } from '../../shared/trace/index.ts'
import { mostWaiting } from '../../shared/trace/otlp.ts'
import { answerOf, type Caller, createCaller, requestOf } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { type Collector, newTraceparent, openCollector, type SeenSpan } from '../support/spans.ts'
import { embeddedCopy } from '../support/template.ts'
import { freePort, runProcess } from './processes.ts'

const program = requireService('OTELCOL_PATH') as string
const unheard = { count() {}, flush: async () => {}, flushBeforeFreeze: async () => {}, close: async () => {} }
const quiet = { onAway() {}, onBack() {} }
const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

type Line = Record<string, unknown> & { msg: string }
function keepLog(): { log: Log; lines: Line[] } {
  const lines: Line[] = []
  const keep = (...[fields, msg]: unknown[]) => void lines.push(typeof fields === 'string' ? { msg: fields } : { ...(fields as object), msg: String(msg) })
  return { log: { info: keep, warn: keep, error: keep, debug() {} } as unknown as Log, lines }
}

/** The product in this process on the embedded engine, and a client of it. */
async function open(more: Record<string, string>) {
  const { log, lines } = keepLog()
  const directory = await embeddedCopy()
  closing.push(() => rmSync(directory, { recursive: true, force: true }))
  const local = await openLocal(parseConfig({ SOMA_DATA_DIR: directory, AUTH_MODE: 'mixed', ...more }), log)
  closing.push(local.close)
  // drained when the test says so
  local.jobs.wake = () => {}
  const ada = await createCaller(local.db.worker)
  const call = async (path: string, body: unknown, headers: Record<string, string> = {}, caller: Caller = ada) =>
    answerOf(await local.fetch(requestOf('http://soma.test', caller, 'POST', path, body, headers)))
  return { local, lines, ada, call }
}
async function start(more: Record<string, string>): Promise<Tracing> {
  const tracing = await startTracing(parseConfig(more), quiet)
  closing.push(tracing.close)
  return tracing
}

const handlers = ['index-vectors', 'project-events']

describe.skipIf(!program)(`spans, in a real collector${program ? '' : ' (skipped: no OTELCOL_PATH)'}`, () => {
  let collector: Collector
  beforeAll(async () => {
    collector = await openCollector(program)
  })
  afterAll(() => collector?.stop())
  const endpoint = () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint })
  const ofTrace = async (traceId: string, many: number) => {
    const own = (spans: SeenSpan[]) => spans.filter((span) => span.traceId === traceId)
    return own(await collector.until((all) => own(all).length >= many))
  }

  test('a recall is a trace: the request, its embedding, its snapshot of the database; nothing of what was asked is told', async () => {
    const { call, ada, lines } = await open(endpoint())
    const { traceparent, traceId, spanId } = newTraceparent()
    expect((await call('/v1/recall', { query: 'what does Ada drink', mode: 'vector' }, { traceparent })).status).toBe(200)
    const spans = await ofTrace(traceId, 3)
    const server = spans.find((span) => span.kind === 'server')
    expect(server).toMatchObject({ name: 'POST /v1/recall', parentSpanId: spanId, service: 'soma-memory', attributes: { 'soma.handler': 'recall', 'soma.tenant': ada.tenant } })
    const parts = spans.filter((span) => span !== server).toSorted((a, b) => a.name.localeCompare(b.name))
    expect(parts).toMatchObject([
      { name: 'embeddings hash-trigram-1', kind: 'internal', parentSpanId: server?.spanId, attributes: { 'soma.embedding.texts': 1 } },
      { name: 'postgresql recall', kind: 'client', parentSpanId: server?.spanId, attributes: { 'db.system.name': 'postgresql' } },
    ])
    expect(lines.find((line) => line.msg === 'request')).toMatchObject({ trace_id: traceId })
    const text = JSON.stringify(spans)
    for (const secret of ['drink', ada.key]) expect(text).not.toContain(secret)
  })

  test('a batch of several traces is a trace of its own, linked to each, and each has the applying in it', async () => {
    const { local, call, lines } = await open(endpoint())
    const callers = Array.from({ length: 3 }, () => newTraceparent())
    for (const { traceparent } of callers) await call('/v1/memories', { text: 'tea' }, { traceparent })
    await call('/v1/memories/bulk', { items: Array.from({ length: 40 }, (_, i) => ({ text: `memory ${i}` })) }, { traceparent: callers[0]?.traceparent as string })
    await local.runJob('drain-outbox')
    const run = lines.find((line) => line.msg === 'job')
    const spans = await collector.until((all) => all.some((span) => span.traceId === run?.trace_id && span.name === 'job drain-outbox'))
    for (const { traceId } of callers) {
      const own = spans.filter((span) => span.traceId === traceId)
      const sent = own.filter((span) => span.kind === 'producer')
      // 40 memories of one bulk are one span
      expect(sent).toHaveLength(traceId === callers[0]?.traceId ? 2 : 1)
      for (const { spanId } of sent) expect(own.filter((span) => span.parentSpanId === spanId).map((span) => span.attributes['soma.handler'])).toEqual(handlers)
    }
    const batches = spans.filter((span) => span.traceId === run?.trace_id && span.kind === 'consumer')
    expect(batches.map((span) => [span.attributes['soma.handler'], span.attributes['messaging.batch.message_count']])).toEqual(handlers.map((name) => [name, 43]))
    for (const batch of batches) expect(new Set(batch.links)).toEqual(new Set(callers.map(({ traceId }) => traceId)))
    const told = lines.filter((line) => line.msg === 'records')
    expect(told).toMatchObject(handlers.map((handler) => ({ handler, records: 43, failed: 0, trace_id: run?.trace_id, trace_ids: callers.map(({ traceId }) => traceId) })))
  })

  test('a batch of many traces has a hundred spans, and all of it is published', async () => {
    const tracing = await start(endpoint())
    const traces = Array.from({ length: 200 }, () => newTraceparent())
    const seen: EventRecord[] = []
    const publish = async (records: EventRecord[]) => {
      seen.push(...records)
      return records.map(() => null)
    }
    const answers = await publishRecords(
      { name: 'test', publish },
      traces.map(({ traceparent }) => ({ topic: 'memory.events', key: 'k', value: '{}', headers: { traceparent } })),
    )
    expect(answers).toEqual(traces.map(() => null))
    await tracing.close()
    const spans = (await collector.spans()).filter((span) => span.attributes['messaging.system'] === 'test')
    expect(spans).toHaveLength(100)
    // the others go on with the context that they came with
    const carried = seen.map(({ headers }) => headers.traceparent)
    expect(carried.slice(0, 100)).toEqual(spans.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`))
    expect(carried.slice(100)).toEqual(traces.slice(100).map(({ traceparent }) => traceparent))
  })

  test('a failure of ours is marked by its code, without its words; what the caller did wrong is not marked', async () => {
    const tracing = await start(endpoint())
    const { log } = keepLog()
    const app = createApp('test', { log, metrics: createMetrics(), corsOrigins: [], denials: unheard })
    app.get('/v1/things/:id', () => {
      throw new Error('a text of a customer')
    })
    const [broken, missing] = [newTraceparent(), newTraceparent()]
    await app.request('/v1/things/a-name', { headers: broken })
    await app.request('/v1/nowhere', { headers: missing })
    await tracing.close()
    const spans = await collector.spans()
    const of = ({ traceId }: { traceId: string }) => spans.find((span) => span.traceId === traceId) as SeenSpan
    expect(of(broken)).toMatchObject({ name: 'GET /v1/things/:id', failed: true, attributes: { 'http.response.status_code': 500, 'error.type': 'internal' } })
    expect(of(missing)).toMatchObject({ name: 'GET', failed: false, attributes: { 'http.response.status_code': 404 } })
    expect(of(missing).attributes['http.route']).toBeUndefined()
    for (const secret of ['customer', 'a-name', 'nowhere']) expect(JSON.stringify([of(broken), of(missing)])).not.toContain(secret)
  })

  test('a job that fails is marked by what failed, and its log line names the trace', async () => {
    const tracing = await start(endpoint())
    const { log, lines } = keepLog()
    const failing = () => Promise.reject(new TypeError('a text of a customer'))
    for (const quietly of [false, true]) await expect(observeJob('failing', failing, log, { quietly })(AbortSignal.timeout(1_000))).rejects.toThrow(TypeError)
    await tracing.close()
    const runs = (await collector.spans()).filter((span) => span.name === 'job failing')
    expect(runs).toMatchObject([0, 1].map(() => ({ parentSpanId: '', failed: true, attributes: { 'error.type': 'TypeError', 'soma.handler': 'failing' } })))
    expect(lines).toMatchObject(runs.map(({ traceId }) => ({ job: 'failing', trace_id: traceId, err: expect.any(TypeError) })))
  })

  test("a caller's decision is followed, and of the traces that begin here the share of OTEL_TRACES_SAMPLER_ARG is kept", async () => {
    const tracing = await start({ ...endpoint(), OTEL_TRACES_SAMPLER_ARG: '0' })
    const [kept, dropped] = [newTraceparent(), newTraceparent('00')]
    const carried = await traced('kept', { parent: kept.traceparent }, (span) => span?.traceparent)
    const none = await traced('dropped', { parent: dropped.traceparent }, (span) => span?.traceparent)
    const own = await traced('own', { parent: null }, (span) => span?.traceparent)
    await tracing.close()
    // who is called next is told the same
    expect([carried, none]).toEqual([expect.stringMatching(`^00-${kept.traceId}-.*-01$`), expect.stringMatching(`^00-${dropped.traceId}-.*-00$`)])
    expect(own).toMatch(/-00$/)
    const ids = new Set((await collector.spans()).map((span) => span.traceId))
    expect([kept, dropped].map(({ traceId }) => ids.has(traceId))).toEqual([true, false])
  })

  test('a collector that takes connections and answers nothing delays nobody; beyond a bound spans are dropped', async () => {
    const tracing = await start(endpoint())
    collector.freeze()
    closing.push(() => collector.thaw())
    const began = performance.now()
    for (let i = 0; i < 20_000; i++) await traced('many', { parent: null, attributes: { i } }, () => {})
    expect(performance.now() - began).toBeLessThan(5_000)
    const flushing = performance.now()
    await tracing.flushBeforeFreeze()
    // the next ones do not even wait for that
    for (let i = 0; i < 100; i++) await tracing.flushBeforeFreeze()
    expect(performance.now() - flushing).toBeLessThan(1_500)
    const ending = performance.now()
    await tracing.close()
    expect(performance.now() - ending).toBeLessThan(3_000)
    collector.thaw()
    await sleep(500)
    const kept = (await collector.spans()).filter((span) => span.name === 'many').length
    // what waited, and what had been handed over before
    expect(kept).toBeLessThanOrEqual(2 * mostWaiting)
    expect(kept).toBeGreaterThan(0)
  })
})

test('an endpoint where nobody listens fails no request, is told once in the log, and holds up no end', async () => {
  const { call, lines, local } = await open({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}` })
  const times: number[] = []
  for (let i = 0; i < 50; i++) {
    const began = performance.now()
    expect((await call('/v1/memories', { text: `memory ${i}` })).status).toBe(201)
    times.push(performance.now() - began)
  }
  expect(times.toSorted((a, b) => a - b)[25]).toBeLessThan(100)
  await local.runJob('drain-outbox')
  expect((await call('/v1/recall', { query: 'memory 7' })).body.results).not.toEqual([])
  const ending = performance.now()
  await local.close()
  closing.pop()
  expect(performance.now() - ending).toBeLessThan(5_000)
  // told when the first export was given up, and not again
  const until = performance.now() + 10_000
  const told = () => lines.filter((line) => line.msg.startsWith('spans cannot be exported'))
  while (!told().length && performance.now() < until) await sleep(50)
  expect(told()).toEqual([{ msg: expect.any(String), reason: expect.stringContaining('ECONNREFUSED') }])
})

test("without an endpoint nothing is traced or loaded, the outbox keeps the caller's header, and log lines name its trace", async () => {
  const { local, call, lines } = await open({})
  expect(await startTracing(parseConfig({}), quiet)).toBe(noTracing)
  expect(startSpan('none', {})).toBeUndefined()
  const { traceparent, traceId } = newTraceparent()
  await call('/v1/memories', { text: 'tea' }, { traceparent })
  await call('/v1/memories', { text: 'coffee' }, { traceparent: '00-x' })
  const rows = await local.db.owner.maintenance((sql) => sql.query<{ traceparent: string | null }>('select traceparent from outbox order by seq'))
  expect(rows).toEqual([{ traceparent }, { traceparent: null }])
  expect(lines.filter((line) => line.msg === 'request').map((line) => line.trace_id)).toEqual([traceId, undefined])
  await local.runJob('drain-outbox')
  expect(lines.filter((line) => line.msg === 'records')).toMatchObject([{ trace_ids: [traceId] }, { trace_ids: [traceId] }])
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    await import('./local/adapter.ts')
    // prom-client brings the API, which does nothing by itself
    const sdk = loaded.filter((url) => /@opentelemetry\\/(?!api\\/)/.test(url))
    console.log(loaded.length > 100, sdk.length)`
  expect(await runProcess(['--input-type=module', '-e', script], {})).toMatchObject({ code: 0, stdout: 'true 0\n' })
})
