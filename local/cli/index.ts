import { Command } from 'commander'
import pkg from '../../package.json' with { type: 'json' }
import { addAudit } from './audit.ts'
import { addBackup } from './backup.ts'
import { addCompletion } from './completion.ts'
import { addDlq } from './dlq.ts'
import { addDoctor } from './doctor.ts'
import { addDrain } from './drain.ts'
import { addDrill } from './drill.ts'
import { addExport } from './export.ts'
import { reportFailure } from './failure.ts'
import { addForget } from './forget.ts'
import { addGet } from './get.ts'
import { addGlobals } from './globals.ts'
import { addHistory } from './history.ts'
import { addImport } from './import.ts'
import { addJournal } from './journal.ts'
import { addKey } from './key.ts'
import { addLink, addUnlink } from './link.ts'
import { addList } from './list.ts'
import { addMigrate } from './migrate.ts'
import { addModels } from './models.ts'
import { addNames } from './names.ts'
import { addOutbox } from './outbox.ts'
import { addPreflight } from './preflight.ts'
import { addProfile } from './profile.ts'
import { addRebuildIndex } from './rebuild-index.ts'
import { addRecall } from './recall.ts'
import { addRestore } from './restore.ts'
import { addRuns } from './runs.ts'
import { addStart } from './start.ts'
import { addStats } from './stats.ts'
import { addStore } from './store.ts'
import { addTenant } from './tenant.ts'
import { addTopics } from './topics.ts'
import { addUsage } from './usage.ts'
import { addVerify } from './verify.ts'
import { addVerifyIndex } from './verify-index.ts'
import { addNeighbors, addPath } from './walk.ts'
import { addWorker } from './worker.ts'

const help = `
Without --url the commands open the database of the configuration in this process; a server that has the embedded one open is found and used.

Examples:
  $ npx soma start
  $ npx soma store 'Ada prefers tea in the morning' --user ada
  $ npx soma recall 'what does Ada prefer?' --user ada --json
  $ npx soma doctor`

const exitCodes = `
Exit codes:
  0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused (credential or right), 5 not reachable`

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

/** All commands. With `json`, what is wrong is said once, as JSON. */
export function createProgram(json = false): Command {
  const program = new Command('soma')
    .description("Soma Memory's command line: serve, store, recall, and look after tenants, keys and the database.")
    .version(pkg.version)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeErr: (text) => json || process.stderr.write(text), outputError: () => {} })
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText('after', help)
    .addHelpText('afterAll', exitCodes)
  addGlobals(program)
  for (const add of [addStart, addStore, addRecall, addList, addGet, addHistory, addForget, addLink, addUnlink, addNeighbors, addPath, addStats, addNames, addUsage]) add(program)
  for (const add of [addExport, addImport, addBackup, addRestore, addDrill, addRuns, addVerify, addVerifyIndex, addRebuildIndex]) add(program)
  for (const add of [
    addMigrate,
    addTenant,
    addKey,
    addAudit,
    addModels,
    addOutbox,
    addDlq,
    addJournal,
    addTopics,
    addDrain,
    addWorker,
    addDoctor,
    addPreflight,
    addProfile,
    addCompletion,
  ])
    add(program)
  return program
}
