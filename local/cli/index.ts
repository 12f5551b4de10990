import { Command } from 'commander'
import pkg from '../../package.json' with { type: 'json' }
import { addDoctor } from './doctor.ts'
import { addDrain } from './drain.ts'
import { reportFailure } from './failure.ts'
import { addGlobals } from './globals.ts'
import { addKey } from './key.ts'
import { addMigrate } from './migrate.ts'
import { addRecall } from './recall.ts'
import { addStart } from './start.ts'
import { addStats } from './stats.ts'
import { addStore } from './store.ts'
import { addTenant } from './tenant.ts'

const help = `
Without --url the commands open the database of the configuration in this process; a server that has the embedded one open is found and used.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused (credential or right), 5 not reachable.

Examples:
  $ npx soma start
  $ npx soma store 'Ada prefers tea in the morning' --user ada
  $ npx soma recall 'what does Ada prefer?' --user ada --json
  $ npx soma doctor`

/** Runs one command line and sets the exit code. The process ends by itself when nothing is left open. */
export async function main(args: string[]): Promise<void> {
  const given = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  const json = given.includes('--json')
  // the reader of a pipe has seen enough
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  try {
    await createProgram(json).parseAsync(args, { from: 'user' })
  } catch (error) {
    process.exitCode = reportFailure(error, json)
  }
}

function createProgram(json: boolean): Command {
  const program = new Command('soma')
    .description("Soma Memory's command line: serve, store, recall, and look after tenants, keys and the database.")
    .version(pkg.version)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeErr: (text) => json || process.stderr.write(text), outputError: () => {} })
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText('after', help)
  addGlobals(program)
  for (const add of [addStart, addMigrate, addTenant, addKey, addStore, addRecall, addStats, addDrain, addDoctor]) add(program)
  return program
}
