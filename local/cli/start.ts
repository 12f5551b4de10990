import type { Command } from 'commander'
import { createLog } from '../../shared/telemetry/index.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, integer } from './globals.ts'
import { answer } from './output.ts'
import { noteServer, openUnlessServed } from './served.ts'

const examples = `
Examples:
  $ npx soma start
  $ npx soma start --port 9600 --data-dir /var/lib/soma
  $ POSTGRES_URL=postgres://app@db/soma npx soma start`

/** A terminal's Ctrl-C reaches this process twice when npm stands in between. */
const sameKeyMs = 1_000

export function addStart(program: Command): void {
  program
    .command('start')
    .description('serve the API, with the jobs and consumers, in this process until SIGTERM or Ctrl-C')
    .option('--port <number>', 'where to listen (default: PORT, or 9595); 0 takes a free one', integer)
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const { port, ...globals } = command.optsWithGlobals<Globals & { port?: number }>()
      const config = await configOf(globals, port === undefined ? {} : { PORT: String(port) })
      const { banner, startLocal } = await import('../serve.ts')
      const found = await openUnlessServed(config, () => startLocal(config, createLog(config.LOG_LEVEL)))
      if ('servedAt' in found) throw new CommandError('unavailable', `A server at ${found.servedAt} works on this data directory already.`)
      const local = found.opened
      try {
        const removeNote = noteServer(config, local.url)
        const asked = signalled()
        answer(globals, { url: local.url, pid: process.pid, engine: local.db.app.engine, auth_mode: config.AUTH_MODE }, banner(local.url, config))
        await asked
        removeNote()
      } finally {
        await local.close()
      }
    })
}

/** Resolves at the first signal to end; a later one does not wait for what is still running. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    let first: number | undefined
    const heard = () => {
      if (first !== undefined && performance.now() - first > sameKeyMs) process.exit(130)
      first ??= performance.now()
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, heard)
  })
}
