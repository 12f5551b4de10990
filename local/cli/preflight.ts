import type { Command } from 'commander'
import { type HttpRow, manifest } from '../../functions/manifest.ts'
import { brokerChecks } from './broker-checks.ts'
import { bucketChecks } from './bucket-check.ts'
import { type Check, check, embedderChecks, nodeCheck, serverChecks } from './checks.ts'
import { type Connection, connect } from './connect.ts'
import { databaseChecks } from './database-checks.ts'
import { configOf, type Globals } from './globals.ts'
import { issuerChecks } from './issuer-check.ts'
import { answer, count, table } from './output.ts'
import { redisChecks } from './redis-checks.ts'
import { roundTripChecks } from './round-trip.ts'

const examples = `
It checks what doctor checks, asks every route of every HTTP handler, and stores, recalls, indexes and forgets one memory in the namespace "preflight".
Against a server (--url) it needs a key with memory:read, memory:write and memory:delete, unless credentials are open.

Examples:
  $ npx soma preflight
  $ npx soma preflight --url https://soma.internal --token "$SOMA_TOKEN" --json`

export function addPreflight(program: Command): void {
  program
    .command('preflight')
    .description('check a deployment end to end before traffic: configuration, database, every endpoint, a store, a recall and the outbox')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const checks = await preflight(globals)
      const failed = checks.filter((one) => !one.ok).length
      const verdict = failed ? `${failed} of ${checks.length} checks failed.` : `All ${checks.length} checks passed.`
      answer(globals, { ok: failed === 0, checks }, `${table(checks.map(({ ok, name, detail }) => [ok ? 'ok' : 'FAIL', name, detail]))}\n${verdict}`)
      if (failed) process.exitCode = 1
    })
}

/** From the configuration up; what needs something that failed is left out. */
async function preflight(globals: Globals): Promise<Check[]> {
  const checks = [nodeCheck(), ...(globals.url ? await serverChecks(globals.url, globals) : await groundChecks(globals))]
  if (checks.some((one) => !one.ok)) return checks
  let connection: Connection
  try {
    connection = await connect(globals)
  } catch (error) {
    return [...checks, { name: 'handlers', ok: false, detail: error instanceof Error ? error.message : String(error) }]
  }
  try {
    const ask = asking(connection, globals)
    for (const row of manifest) if (row.kind === 'http') checks.push(await endpointCheck(row, ask))
    return [...checks, ...(await roundTripChecks(connection, ask))]
  } finally {
    await connection.close()
  }
}

async function groundChecks(globals: Globals): Promise<Check[]> {
  try {
    const config = await configOf(globals)
    const configuration = { name: 'configuration', ok: true, detail: ['The configuration is fine.', ...config.warnings].join(' ') }
    return [
      configuration,
      ...(await embedderChecks(config)),
      ...(await brokerChecks(config)),
      ...(await bucketChecks(config)),
      ...(await redisChecks(config)),
      ...(await issuerChecks(config)),
      ...(await databaseChecks(config, globals)),
    ]
  } catch (error) {
    return [{ name: 'configuration', ok: false, detail: error instanceof Error ? error.message : String(error) }]
  }
}

export type Ask = (method: string, path: string, body?: unknown) => Promise<{ status: number; text: string }>

function asking({ local, client }: Connection, { token }: Globals): Ask {
  return async (method, path, body) => {
    const headers = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    const init = { method, headers, redirect: 'error', signal: AbortSignal.timeout(30_000), ...(body === undefined ? {} : { body: JSON.stringify(body) }) } as const
    const request = new Request(`${local ? 'http://127.0.0.1' : client.url}${path}`, init)
    const response = await (local ? local.fetch(request) : fetch(request))
    return { status: response.status, text: await response.text() }
  }
}

/** Asks each route with a parameter that none takes: it answers, refuses or asks for a credential, and does nothing. */
function endpointCheck({ name, routes }: HttpRow, ask: Ask): Promise<Check> {
  return check(
    `endpoints: ${name}`,
    async () => {
      const silent: string[] = []
      for (const { method, path } of routes) {
        const { status, text } = await ask(method, `${path.replaceAll(/:\w+/g, 'preflight')}?preflight=1`)
        const unknown = (status === 404 && text.includes('There is no such path')) || status === 405
        if (status >= 500 || unknown) silent.push(`${method} ${path} (${status})`)
      }
      if (silent.length) throw new Error(`No answer as expected from ${silent.join(', ')}`)
      return `${count(routes.length, 'route')} ${routes.length === 1 ? 'answers' : 'answer'}.`
    },
    "Look at the server's log; what runs there may be older than this code, or a proxy may not pass the path on.",
  )
}
