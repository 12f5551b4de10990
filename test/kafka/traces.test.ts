import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exitOf, freePort, runProcess, startProcess, untilLine } from '../http/processes.ts'
import { answerOf, openProduct, type Product, requestOf } from '../support/engines.ts'
import { gatewayEvent } from '../support/gateway.ts'
import { requireService } from '../support/services.ts'
import { type Collector, newTraceparent, openCollector, type SeenSpan } from '../support/spans.ts'
import { makeTopic, until } from './broker.ts'

const postgres = requireService('POSTGRES_URL')
const bootstrap = requireService('KAFKA_BOOTSTRAP_SERVERS') as string
const program = requireService('OTELCOL_PATH') as string

describe.skipIf(!postgres || !bootstrap || !program)('one trace, through four processes, an outbox and a broker', () => {
  let collector: Collector
  let product: Product
  let environment: Record<string, string>
  const lines: Record<string, unknown>[] = []
  const closing: (() => unknown)[] = []
  const children: ChildProcess[] = []

  /** Starts a task and keeps its log. */
  function startTask(name: string, more: Record<string, string> = {}): ChildProcess {
    const child = startProcess([`functions/${name}/task.ts`], { ...environment, OTEL_SERVICE_NAME: `soma-${name}`, ...more })
    children.push(child)
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => line.startsWith('{') && lines.push(JSON.parse(line)))
    return child
  }
  async function serve(name: string): Promise<string> {
    const port = await freePort()
    await untilLine(startTask(name, { PORT: port }), /listening/)
    return `http://127.0.0.1:${port}`
  }

  beforeAll(async () => {
    collector = await openCollector(program)
    const topic = await makeTopic(bootstrap)
    const opened = await openProduct('postgres 18', postgres)
    product = opened.product
    closing.push(opened.close, collector.stop)
    environment = {
      STAGE: 'dev',
      POSTGRES_URL: product.local.config.POSTGRES_URL as string,
      SIGNING_KEY: 'a key of sixteen characters',
      KAFKA_BOOTSTRAP_SERVERS: bootstrap,
      KAFKA_MEMORY_EVENTS_TOPIC: topic,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    }
  })
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    for (const close of closing) await close()
  })

  test('holds the request, the publishing and the applying, each under the one before it, and the log lines name it', async () => {
    const ada = await product.tenant()
    const { traceparent, traceId, spanId } = newTraceparent()
    const url = await serve('store')
    const consumers = await Promise.all(['index-vectors', 'project-events'].map(serve))
    await Promise.all(consumers.map((consumer) => until(async () => (await fetch(`${consumer}/readyz`)).ok)))
    const stored = await answerOf(await fetch(requestOf(url, ada, 'POST', '/v1/memories', { text: 'Ada prefers tea' }, { traceparent })))
    expect(stored.status).toBe(201)
    expect(await exitOf(startTask('drain-outbox'))).toBe(0)

    const ofTrace = (spans: SeenSpan[]) => spans.filter((span) => span.traceId === traceId)
    const spans = ofTrace(await collector.until((all) => ofTrace(all).length >= 6))
    const named = (name: string) => spans.filter((span) => span.name === name)
    const [server] = named('POST /v1/memories')
    expect(server).toMatchObject({
      kind: 'server',
      parentSpanId: spanId,
      service: 'soma-store',
      failed: false,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/v1/memories',
        'http.response.status_code': 201,
        'soma.tenant': ada.tenant,
        'soma.request_id': stored.headers.get('x-request-id'),
      },
    })
    expect(named('postgresql store')).toMatchObject([{ kind: 'client', parentSpanId: server?.spanId }])
    const sent = { 'messaging.system': 'kafka', 'messaging.destination.name': 'memory.events', 'messaging.operation.type': 'send', 'soma.tenant': ada.tenant }
    const [producer, ...more] = named('send memory.events')
    expect(producer).toMatchObject({ kind: 'producer', parentSpanId: server?.spanId, service: 'soma-drain-outbox', attributes: sent, failed: false })
    expect(more).toEqual([])
    const applied = named('process memory.events').toSorted((a, b) => a.service.localeCompare(b.service))
    const consumer = { kind: 'consumer', parentSpanId: producer?.spanId, failed: false }
    expect(applied).toMatchObject([
      { ...consumer, service: 'soma-index-vectors', attributes: { ...sent, 'messaging.operation.type': 'process' } },
      { ...consumer, service: 'soma-project-events', attributes: { ...sent, 'messaging.operation.type': 'process' } },
    ])
    expect(named('embeddings hash-trigram-1')).toMatchObject([{ parentSpanId: applied[0]?.spanId }])
    expect(spans).toHaveLength(6)
    // the drain's run is a trace of its own, to which the publishing is linked
    const run = (await collector.spans()).find((span) => span.name === 'job drain-outbox')
    expect([run?.parentSpanId, producer?.links]).toEqual(['', [run?.traceId]])

    await until(() => lines.filter((line) => line.trace_id === traceId).length >= 3)
    const told = lines.filter((line) => line.trace_id === traceId)
    expect(told.map(({ msg, handler }) => [msg, handler]).sort()).toEqual([
      ['records', 'index-vectors'],
      ['records', 'project-events'],
      ['request', 'store'],
    ])
    expect(lines.find((line) => line.msg === 'job')).toMatchObject({ job: 'drain-outbox', done: 1, trace_id: run?.traceId })
    const everything = await collector.received()
    for (const secret of ['prefers', ada.key, stored.body.id]) expect(everything).not.toContain(secret)
  })

  test('a task that is told to end sends what it has', async () => {
    const ada = await product.tenant()
    const { traceparent, traceId } = newTraceparent()
    const url = await serve('memories')
    await fetch(requestOf(url, ada, 'POST', '/v1/memories/list', {}, { traceparent }))
    const child = children.at(-1) as ChildProcess
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
    expect((await collector.spans()).filter((span) => span.traceId === traceId)).toMatchObject([{ name: 'POST /v1/memories/list', service: 'soma-memories' }])
  })

  test('a Lambda has sent its spans when it has answered, of requests, of records that the drain hands it, and of jobs', async () => {
    const ada = await product.tenant()
    const [asked, handed] = [newTraceparent(), newTraceparent()]
    const store = await gatewayEvent(requestOf('https://api.example', ada, 'POST', '/v1/memories', { text: 'x' }, { traceparent: asked.traceparent }))
    const records = [{ topic: 'memory.events', key: 'k', value: null, headers: { traceparent: handed.traceparent, 'tenant-id': ada.tenant } }]
    const { KAFKA_BOOTSTRAP_SERVERS: _, ...withoutBroker } = environment
    for (const call of [
      ['store', store],
      ['project-events', { records }],
      ['sweep', {}],
    ]) {
      // the process ends as hard as a sandbox is frozen
      const { code, stderr } = await runProcess(['test/http/call-lambda.ts', JSON.stringify([call])], { ...withoutBroker, LOG_LEVEL: 'error', OTEL_SERVICE_NAME: 'soma-lambda' })
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    }
    const spans = (await collector.spans()).filter((span) => span.service === 'soma-lambda')
    expect(spans.find((span) => span.name === 'POST /v1/memories')).toMatchObject({ traceId: asked.traceId, parentSpanId: asked.spanId })
    const applied = { traceId: handed.traceId, parentSpanId: handed.spanId, kind: 'consumer', attributes: { 'messaging.system': 'invoke', 'soma.handler': 'project-events' } }
    expect(spans.find((span) => span.name === 'process memory.events')).toMatchObject(applied)
    expect(spans.some((span) => span.name === 'job sweep')).toBe(true)
  })
})
