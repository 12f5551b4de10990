import type { Command } from 'commander'
import { auditRestore } from '../../shared/audit/index.ts'
import { type Archive, openArchive, type RestoreStep, restore, restoreTenant } from '../../shared/backup/index.ts'
import type { Config } from '../../shared/config/index.ts'
import { backupKeyOf, existingPlace, type NamedPlace, onArchive, placeOfTime } from './archive.ts'
import { onDatabase } from './database.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, refuseUrl } from './globals.ts'
import { answer, count, remark } from './output.ts'
import { numberText, stepwise } from './progress.ts'

const examples = `
The target is empty: a new data directory, or a new Postgres database. It is filled as a whole or left as it was. The archive may come from either engine.
On a Postgres it takes POSTGRES_MIGRATION_URL, or POSTGRES_URL; stop the servers on that database first.
With --tenant the target is an installation that is at work: the tenant comes into it as a new one, under the name of --as, and nobody else is touched.

Examples:
  $ npx soma restore monday --data-dir .soma-new
  $ npx soma restore s3://backups/monday --data-dir .soma-new
  $ POSTGRES_URL=postgres://postgres@db/soma npx soma restore monday
  $ BACKUP_BUCKET=backups npx soma restore --at 2026-12-01T10:00:00Z
  $ BACKUP_BUCKET=backups npx soma restore --at 2026-12-01T10:00:00Z --tenant acme --as acme-as-of-ten`

const labels: Record<RestoreStep, string> = { verify: 'Verifying the archive', load: 'Loading', check: 'Checking what was loaded' }
const whenServedToo = 'Stop it, run this again, and start it: the embedded engine serves one process at a time. On a real Postgres it runs beside the servers.'
const whenServed = 'Stop it first: a restore fills an empty database that nobody works on.'

type Options = Globals & { at?: string; tenant?: string; as?: string }

export function addRestore(program: Command): void {
  program
    .command('restore')
    .description('fill an empty database with an archive, or bring back one tenant of it')
    .argument('[place]', 'the archive, as backup wrote it: a directory, or s3://bucket/prefix')
    .option('--at <time>', 'instead of a place: the newest backup in BACKUP_BUCKET, or under backups in the data directory, that is of no later than that')
    .option('--tenant <name>', 'only that tenant, into an installation that is at work')
    .option('--as <name>', 'the name of the new tenant that gets its memories')
    .addHelpText('after', examples)
    .action(async (given: string | undefined, _options, command: Command) => {
      const { at, tenant, as, ...globals } = command.optsWithGlobals<Options>()
      refuseUrl(globals, 'restore')
      if ((given === undefined) === (at === undefined)) throw new CommandError('usage', 'restore takes the place of an archive, or --at.')
      if ((tenant === undefined) !== (as === undefined))
        throw new CommandError('usage', '--tenant and --as go together: the tenant of the archive, and the new one that gets its memories.')
      const config = await configOf(globals)
      if (tenant !== undefined && as !== undefined) return answerTenant(globals, config, { given, at, tenant, as })
      const place = () => placeOf(config, given, at)
      const key = backupKeyOf(config)
      const report = await onArchive(globals, async (signal) => {
        const from = await place()
        // what is no archive, or wants another key, is told before a database is made for it
        tell(globals, from, await openArchive(from, key))
        return onDatabase(config, 'owner', whenServed, async (owner) => {
          const progress = stepwise(globals, labels)
          const restored = await restore(owner, from, { key, signal, onProgress: progress.report }).finally(progress.end)
          await auditRestore(owner, restored, 'cli')
          return restored
        })
      })
      const built = report.archives > 1 ? ` The archive builds on ${count(report.archives - 1, 'other')}.` : ''
      answer(globals, report, `${numberText(report.rows)} rows of ${count(report.tenants, 'tenant')} are restored and checked. This is generation ${report.generation}.${built}`)
    })
}

/** What is about to be restored: somebody may still stop it. */
const tell = (globals: Globals, { path }: NamedPlace, { manifest }: Archive): void => remark(globals, `Restoring ${path}, which is of ${manifest.created_at}.`)

const placeOf = (config: Config, given: string | undefined, at: string | undefined): Promise<NamedPlace> =>
  given === undefined ? placeOfTime(at ?? '', config) : existingPlace(given, config)

async function answerTenant(
  globals: Globals,
  config: Config,
  { given, at, tenant, as }: { given: string | undefined; at: string | undefined; tenant: string; as: string },
): Promise<void> {
  const key = backupKeyOf(config)
  const report = await onArchive(globals, async (signal) => {
    const from = await placeOf(config, given, at)
    tell(globals, from, await openArchive(from, key))
    return onDatabase(config, 'owner', whenServedToo, (owner) => {
      const progress = stepwise(globals, labels)
      return restoreTenant(owner, from, { key, signal, tenant, as, onProgress: progress.report }).finally(progress.end)
    })
  })
  answer(
    globals,
    report,
    `${numberText(report.rows)} rows of the tenant ${tenant}, as of ${report.created_at}, are in the new tenant ${as}: \`npx soma key create --tenant ${as}\` makes a key for it.`,
  )
}
