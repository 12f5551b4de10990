import { serve } from '@hono/node-server'
import type { Subscriber } from '../bus/index.ts'
import { readConfig } from '../config/index.ts'
import type { HttpHandler, JobHandler, RecordHandler } from '../handler/index.ts'
import { asAppError, checkMetricsToken, problemResponse, readiness, readJson } from '../http/index.ts'
import type { RunningConsumer } from '../kafka/index.ts'
import { tellWhatIsAway } from './dependables.ts'
import { startJournal } from './journal.ts'
import { observeJob, observeRecords } from './observe.ts'
import { applyRecords } from './records.ts'
import { deployedRuntime, type Need, type Runtime } from './runtime.ts'
import { endIdleConnections, serverOptions } from './streaming.ts'

const mebibyte = 1024 * 1024
const drainMs = 10_000

/** Serves an HTTP handler as a container task: /healthz, /readyz and /metrics beside it, a graceful end on SIGTERM. With `journal` it is the one that takes appends while the database is down. */
export async function httpTask(build: (runtime: Runtime) => HttpHandler, { journal = false } = {}): Promise<void> {
  const runtime = await start('app', journal)
  await listen(runtime, withHealth(runtime, 'app', build(runtime)))
}

/**
 * Serves a record handler as a container task. With a broker it consumes its topic; POST /records takes `{records}` as the Lambda form does, with or without one.
 * /metrics tells the lag, /readyz whether the broker is there.
 */
export async function recordsTask(row: Omit<Subscriber, 'handler'>, build: (runtime: Runtime) => RecordHandler): Promise<void> {
  const runtime = await start('worker')
  const handle = observeRecords({ ...row, handler: build(runtime), transport: runtime.kafka ? 'kafka' : 'invoke', log: runtime.log })
  // a counter that begins at 1 has not risen
  runtime.metrics.deadLetters.inc({ consumer: row.name }, 0)
  const consumer = runtime.kafka?.consume({ ...row, handler: handle })
  const handler: HttpHandler = {
    async fetch(request) {
      const { pathname } = new URL(request.url)
      try {
        if (request.method !== 'POST' || pathname !== '/records') return new Response(null, { status: 404 })
        return Response.json(await applyRecords(handle, await readJson(request, 64 * mebibyte)))
      } catch (error) {
        runtime.log.error({ err: error }, 'records failed')
        return problemResponse(asAppError(error), { path: pathname, id: '' })
      }
    },
  }
  await listen(runtime, withHealth(runtime, 'worker', handler, consumer))
}

async function metricsOf({ config, metrics }: Runtime, request: Request): Promise<Response> {
  checkMetricsToken(config.METRICS_TOKEN, request.headers.get('authorization'))
  return new Response(await metrics.text(), { headers: { 'content-type': metrics.contentType } })
}

/** Runs a job of this name once, as a scheduled container task does; exits 1 when it failed. SIGTERM lets it end in order. */
export async function jobTask(name: string, need: Need, build: (runtime: Runtime) => JobHandler): Promise<void> {
  const runtime = await start(need)
  const ending = new AbortController()
  process.once('SIGTERM', () => ending.abort())
  process.once('SIGINT', () => ending.abort())
  try {
    await observeJob(name, (signal) => build(runtime)(signal), runtime.log)(ending.signal)
  } catch {
    // its log line has said why
    process.exitCode = 1
  } finally {
    await runtime.tell()
    await closeAll(runtime)
  }
}

async function start(need: Need, journal = false): Promise<Runtime> {
  try {
    const runtime = await deployedRuntime(readConfig(), need)
    const running = journal ? await startJournal(runtime) : undefined
    return running ? { ...runtime, journal: running } : runtime
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return process.exit(1)
  }
}

/** A handler whose own route is /metrics tells more there than a process knows of itself. */
const tellsMetrics = (handler: HttpHandler & { routes?: { path: string }[] }): boolean => handler.routes?.some(({ path }) => path === '/metrics') ?? false

/** Only the login that the handler works with counts: a worker's may not act as soma_app. */
function withHealth(runtime: Runtime, need: 'app' | 'worker', handler: HttpHandler, consumer?: RunningConsumer): HttpHandler {
  return {
    ...(handler.measure ? { measure: () => handler.measure?.() ?? Promise.resolve() } : {}),
    async fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === '/healthz') return Response.json({ status: 'ok' })
      if (pathname === '/metrics' && request.method === 'GET' && !tellsMetrics(handler)) {
        return metricsOf(runtime, request).catch((error) => problemResponse(asAppError(error), { path: pathname, id: '' }))
      }
      if (pathname === '/readyz') {
        const ready = await readiness({ [need]: runtime.databases[need] }, consumer ? { kafka: consumer.state() } : {})
        return Response.json(ready, { status: ready.status === 'ok' ? 200 : 503 })
      }
      return handler.fetch(request)
    },
  }
}

/** What a scrape would have read, for CloudWatch. */
function tellEachMinute({ config, tell, log }: Runtime, { measure }: HttpHandler): void {
  if (!config.METRICS_NAMESPACE) return
  const measured = async () => {
    await measure?.().catch((error) => log.warn({ err: error }, 'what the metrics tell of the installation could not be read'))
    await tell(measure !== undefined)
  }
  setInterval(() => void measured(), 60_000).unref()
}

async function listen(runtime: Runtime, handler: HttpHandler): Promise<void> {
  const { HOST: hostname, PORT: port } = runtime.config
  const server = serve({ fetch: (request) => handler.fetch(request), hostname, port, serverOptions }, () => runtime.log.info({ hostname, port }, 'listening'))
  void tellWhatIsAway(runtime)
  tellEachMinute(runtime, handler)
  endIdleConnections(server)
  const end = () => {
    const timer = setTimeout(() => process.exit(0), drainMs).unref()
    server.close(async () => {
      clearTimeout(timer)
      await closeAll(runtime)
      process.exit(0)
    })
  }
  process.once('SIGTERM', end)
  process.once('SIGINT', end)
}

async function closeAll({ databases, keyUse, meter, denials, kafka, redis, journal, vectorEngine, tracing }: Runtime): Promise<void> {
  await journal?.close()
  await Promise.all([keyUse.written(), meter.close(), denials.close()])
  await kafka?.close()
  await redis?.close()
  await vectorEngine?.engine.close()
  for (const database of new Set(Object.values(databases))) await database.close()
  await tracing.close()
}
