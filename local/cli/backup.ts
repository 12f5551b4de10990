import type { Command } from 'commander'
import { type BackupReport, backUp } from '../../shared/backup/index.ts'
import { runBackup } from '../../shared/recovery/index.ts'
import { backupKeyOf, homeOf, onArchive, placeAt } from './archive.ts'
import { onDatabase } from './database.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, refuseUrl } from './globals.ts'
import { answer, count, remark } from './output.ts'
import { bytesText, numberText, showProgress } from './progress.ts'

const examples = `
Everything of all tenants (or of one) as of one instant, while a server on a real Postgres goes on serving. With BACKUP_KEY it is encrypted; keep that key elsewhere.
Into a bucket it goes as the environment says: AWS_REGION, AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and S3_ENDPOINT for another service than AWS.

Examples:
  $ npx soma backup
  $ npx soma backup --out /mnt/backups/monday
  $ npx soma backup --out s3://backups/monday
  $ npx soma backup --increment
  $ npx soma backup --tenant acme --out /mnt/backups/acme
  $ POSTGRES_URL=postgres://jobs@db/soma npx soma backup --out monday --json`

const whenServed = 'Stop it, run this again, and start it: the embedded engine serves one process at a time. On a real Postgres a backup runs beside the servers.'

export function addBackup(program: Command): void {
  program
    .command('backup')
    .description('write everything into an archive')
    .option('--out <place>', 'a new or empty directory, or s3://bucket/prefix (default: a new one in BACKUP_BUCKET, or under backups in the data directory)')
    .option('--increment', 'only what the newest backup has not; a full one where there is none to build on')
    .option('--tenant <name>', 'only that tenant; with --out')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const { out, increment, tenant, ...globals } = command.optsWithGlobals<Globals & { out?: string; increment?: boolean; tenant?: string }>()
      refuseUrl(globals, 'backup')
      if (increment && out !== undefined) throw new CommandError('usage', 'An increment lies beside what it builds on: leave --out away, or --increment.')
      if (tenant !== undefined && out === undefined) throw new CommandError('usage', 'An archive of one tenant takes a place of its own: --out.')
      const config = await configOf(globals)
      const key = backupKeyOf(config)
      const { path: home, ...place } = await (out === undefined ? homeOf(config) : placeAt(out, config))
      const report = await onDatabase(config, 'worker', whenServed, (worker) => {
        const progress = showProgress(globals, { label: 'Backing up', unit: 'rows' })
        const write = (signal: AbortSignal): Promise<BackupReport & { name?: string }> => {
          const options = { signal, onProgress: progress.report, pace: config.BACKUP_PACE }
          return out === undefined
            ? runBackup({ worker, store: async () => place.store, prefix: place.prefix, key }, 'cli', { ...options, kind: increment ? 'increment' : 'full' })
            : backUp(worker, place, { key, tenant, ...options })
        }
        return onArchive(globals, write).finally(progress.end)
      })
      const path = report.name === undefined ? home : `${home}/${report.name}`
      if (!report.encrypted) remark(globals, 'The archive is not encrypted: set BACKUP_KEY to have it so.')
      const built = report.base === null ? '' : `, which builds on ${report.base}: ${numberText(report.total_rows)} with that`
      answer(globals, { path, ...report }, `${numberText(report.rows)} rows of ${count(report.tenants, 'tenant')} are in ${path} (${bytesText(report.bytes)})${built}.`)
    })
}
