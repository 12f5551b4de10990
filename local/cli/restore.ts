import type { Command } from 'commander'
import { auditRestore } from '../../shared/audit/index.ts'
import { openArchive, type RestoreStep, restore } from '../../shared/backup/index.ts'
import { backupKeyOf, existingPlace, onArchive } from './archive.ts'
import { onDatabase } from './database.ts'
import { configOf, type Globals, refuseUrl } from './globals.ts'
import { answer, count } from './output.ts'
import { numberText, stepwise } from './progress.ts'

const examples = `
The target is empty: a new data directory, or a new Postgres database. It is filled as a whole or left as it was. The archive may come from either engine.
On a Postgres it takes POSTGRES_MIGRATION_URL, or POSTGRES_URL; stop the servers on that database first.

Examples:
  $ npx soma restore monday --data-dir .soma-new
  $ npx soma restore s3://backups/monday --data-dir .soma-new
  $ POSTGRES_URL=postgres://postgres@db/soma npx soma restore monday`

const labels: Record<RestoreStep, string> = { verify: 'Verifying the archive', load: 'Loading', check: 'Checking what was loaded' }
const whenServed = 'Stop it first: a restore fills an empty database that nobody works on.'

export function addRestore(program: Command): void {
  program
    .command('restore')
    .description('fill an empty database with an archive')
    .argument('<place>', 'the archive, as backup wrote it: a directory, or s3://bucket/prefix')
    .addHelpText('after', examples)
    .action(async (given: string, _options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      refuseUrl(globals, 'restore')
      const config = await configOf(globals)
      const place = await existingPlace(given, config)
      const key = backupKeyOf(config)
      const report = await onArchive(globals, async (signal) => {
        // what is no archive, or wants another key, is told before a database is made for it
        await openArchive(place, key)
        return onDatabase(config, 'owner', whenServed, async (owner) => {
          const progress = stepwise(globals, labels)
          const restored = await restore(owner, place, { key, signal, onProgress: progress.report }).finally(progress.end)
          await auditRestore(owner, restored, 'cli')
          return restored
        })
      })
      answer(globals, report, `${numberText(report.rows)} rows of ${count(report.tenants, 'tenant')} are restored and checked. This is generation ${report.generation}.`)
    })
}
