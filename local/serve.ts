import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import type { Config } from '../shared/config/index.ts'
import { endIdleConnections, serverOptions } from '../shared/host/index.ts'
import type { Log } from '../shared/telemetry/index.ts'
import { type Local, openLocal } from './adapter.ts'

const drainMs = 10_000

/** openLocal, an HTTP server on HOST:PORT, and the timers of the scheduled jobs. Resolves when it listens. */
export async function startLocal(config: Config, log: Log): Promise<Local & { url: string }> {
  const local = await openLocal(config, log, { journal: true })
  const server = serve({ fetch: (request) => local.fetch(request), hostname: config.HOST, port: config.PORT, overrideGlobalObjects: false, serverOptions })
  endIdleConnections(server)
  try {
    await new Promise<void>((listening, failed) => {
      server.once('listening', listening)
      server.once('error', failed)
    })
  } catch (error) {
    await local.close()
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    throw taken ? new Error(`Port ${config.PORT} of ${config.HOST} is taken: stop what uses it, or set PORT.`, { cause: error }) : error
  }
  const { port } = server.address() as AddressInfo
  const host = config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST
  local.jobs.schedule()
  local.consume()
  void local.tellWhatIsAway()
  // what was committed before the last end and not published yet
  local.jobs.wake('drain-outbox')
  local.jobs.wake('rollup-usage')

  let closing: Promise<void> | undefined
  async function close(): Promise<void> {
    const closed = new Promise<void>((done) => {
      server.close(() => done())
    })
    if ('closeIdleConnections' in server) server.closeIdleConnections()
    const timer = setTimeout(() => {
      if ('closeAllConnections' in server) server.closeAllConnections()
    }, drainMs).unref()
    await closed
    clearTimeout(timer)
    await local.runJob('drain-outbox', AbortSignal.timeout(drainMs)).catch((error) => log.warn({ err: error }, 'the last drain failed; the next start goes on'))
    await local.close()
  }
  return {
    ...local,
    url: `http://${host}:${port}`,
    close() {
      closing ??= close()
      return closing
    },
  }
}

/** What `npm start` prints: where it listens, where the docs are, three lines to paste. */
export function banner(url: string, config: Config): string {
  const where = config.POSTGRES_URL ? 'Postgres at POSTGRES_URL' : `the embedded engine, data in ${config.SOMA_DATA_DIR}`
  const credential = config.AUTH_MODE === 'open' ? '' : " -H 'authorization: Bearer <key>'"
  const json = `-H 'content-type: application/json'${credential}`
  return `Soma Memory listens on ${url}  (${where}; credentials: ${config.AUTH_MODE})
The operations and their examples: ${url}/docs

  curl -s ${url}/v1/memories ${json} -d '{"text":"Ada prefers tea in the morning","user_id":"ada"}'
  curl -s ${url}/v1/recall ${json} -d '{"query":"what does Ada prefer?","user_id":"ada"}'
  curl -s ${url}/stats${credential}
`
}
