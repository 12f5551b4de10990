import { serve } from '@hono/node-server'
import { readConfig } from '../config/index.ts'
import type { HttpHandler, JobHandler, RecordHandler } from '../handler/index.ts'
import { asAppError, problemResponse, readiness, readJson } from '../http/index.ts'
import { applyRecords } from './records.ts'
import { deployedRuntime, type Need, type Runtime } from './runtime.ts'

const mebibyte = 1024 * 1024
const drainMs = 10_000

/** Serves an HTTP handler as a container task: /healthz and /readyz beside it, a graceful end on SIGTERM. */
export async function httpTask(build: (runtime: Runtime) => HttpHandler): Promise<void> {
  const runtime = await start('app')
  await listen(runtime, withHealth(runtime, 'app', build(runtime)))
}

/** Serves a record handler as a container task: POST /records takes `{records}` as the Lambda form does. */
export async function recordsTask(build: (runtime: Runtime) => RecordHandler): Promise<void> {
  const runtime = await start('worker')
  const handle = build(runtime)
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
  await listen(runtime, withHealth(runtime, 'worker', handler))
}

/** Runs a job once, as a scheduled container task does; exits 1 when it failed. SIGTERM lets it end in order. */
export async function jobTask(need: Need, build: (runtime: Runtime) => JobHandler): Promise<void> {
  const runtime = await start(need)
  const ending = new AbortController()
  process.once('SIGTERM', () => ending.abort())
  process.once('SIGINT', () => ending.abort())
  try {
    const report = await build(runtime)(ending.signal)
    runtime.log.info({ ...report }, 'job')
  } catch (error) {
    runtime.log.error({ err: error }, 'job failed')
    process.exitCode = 1
  } finally {
    await closeAll(runtime)
  }
}

async function start(need: Need): Promise<Runtime> {
  try {
    return await deployedRuntime(readConfig(), need)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return process.exit(1)
  }
}

/** Only the login that the handler works with counts: a worker's may not act as soma_app. */
function withHealth(runtime: Runtime, need: 'app' | 'worker', handler: HttpHandler): HttpHandler {
  return {
    async fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === '/healthz') return Response.json({ status: 'ok' })
      if (pathname === '/readyz') {
        const ready = await readiness({ [need]: runtime.databases[need] })
        return Response.json(ready, { status: ready.status === 'ok' ? 200 : 503 })
      }
      return handler.fetch(request)
    },
  }
}

async function listen(runtime: Runtime, handler: HttpHandler): Promise<void> {
  const { HOST: hostname, PORT: port } = runtime.config
  const server = serve({ fetch: (request) => handler.fetch(request), hostname, port }, () => runtime.log.info({ hostname, port }, 'listening'))
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

async function closeAll({ databases }: Runtime): Promise<void> {
  for (const database of new Set(Object.values(databases))) await database.close()
}
