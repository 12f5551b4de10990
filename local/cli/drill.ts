import { basename, dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Config } from '../../shared/config/index.ts'
import type { DrillReport, DrillStep } from '../../shared/drill/index.ts'
import { runDrill } from '../../shared/recovery/index.ts'
import { localSigningKey } from '../adapter.ts'
import { backupKeyOf, existingPlace, homeOf, type NamedPlace, onArchive, placeAt } from './archive.ts'
import { connected } from './connect.ts'
import { onDatabase } from './database.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals } from './globals.ts'
import { answer, table } from './output.ts'
import { stepwise } from './progress.ts'

const examples = `
Restores the newest backup, or the one that is named, into a schema of its own beside the live data, compares rows, hashes, words, the schema, the use of
indexes and what recall answers, and removes it. It exits 1 when anything differs. It needs room for a second copy, and a login that may create a schema.
With --url the server's job does it; that takes a key of the tenant "system" with the scope platform:drills.

Examples:
  $ npx soma drill
  $ npx soma drill s3://backups/monday
  $ npx soma drill --url https://soma.example.com --token $OPERATOR_KEY --json`

const whenServed = 'Ask that server with --url and a key that has platform:drills, or stop it and run this again.'
const labels: Record<DrillStep, string> = { verify: 'Verifying the archive', load: 'Restoring', check: 'Checking what was loaded', examine: 'Examining the copy' }
const pollMs = 1_000

export function addDrill(program: Command): void {
  program
    .command('drill')
    .description('prove a backup by restoring it beside the live data, and say what it found')
    .argument('[place]', 'the archive: a directory, or s3://bucket/prefix (default: the newest in BACKUP_BUCKET, or under backups in the data directory)')
    .addHelpText('after', examples)
    .action(async (given: string | undefined, _options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const report = globals.url ? await askedOf(globals, given) : await here(globals, given)
      const failed = report.checks.filter(({ ok }) => !ok).length
      const figures = `It would cost ${report.rpo_seconds ?? 'an unknown number of'} s of data and take ${report.rto_seconds ?? 'an unknown number of'} s.`
      const verdict = report.ok
        ? `The backup ${report.archive} is proved. ${figures}`
        : `The backup ${report.archive ?? '(there is none)'} is NOT proved: ${failed} of ${report.checks.length} checks failed.`
      answer(globals, report, `${table(report.checks.map(({ ok, name, detail }) => [ok ? 'ok' : 'FAIL', name, detail]))}\n${verdict}`)
      if (!report.ok) process.exitCode = 1
    })
}

async function here(globals: Globals, given: string | undefined): Promise<DrillReport> {
  const config = await configOf(globals)
  if (config.POSTGRES_URL && !config.SIGNING_KEY) throw new CommandError('usage', 'SIGNING_KEY is missing: a drill signs its report by the key that the servers have.')
  const { place, archive } = await archiveOf(given, config)
  const key = backupKeyOf(config)
  return onArchive(globals, (signal) =>
    onDatabase(config, 'owner', whenServed, (owner) => {
      const deps = { store: async () => place.store, prefix: place.prefix, key, owner, worker: owner, signingKey: config.SIGNING_KEY ?? localSigningKey(config) }
      const progress = stepwise(globals, labels)
      return runDrill(deps, 'cli', { archive, signal, onProgress: progress.report }).finally(progress.end)
    }),
  )
}

/** The place where archives lie side by side, and the name of the one that is given. */
async function archiveOf(given: string | undefined, config: Config): Promise<{ place: NamedPlace; archive: string | undefined }> {
  if (given === undefined) return { place: await homeOf(config), archive: undefined }
  await existingPlace(given, config)
  const path = given.startsWith('s3://') ? given.replace(/\/+$/, '') : resolve(given)
  const parent = given.startsWith('s3://') ? path.slice(0, path.lastIndexOf('/')) : dirname(path)
  if (parent === 's3:/') throw new CommandError('usage', `"${given}" names a bucket: it takes s3://bucket/prefix, such as s3://backups/monday.`)
  return { place: await placeAt(parent, config), archive: basename(path) }
}

async function askedOf(globals: Globals, given: string | undefined): Promise<DrillReport> {
  if (given !== undefined) throw new CommandError('usage', 'A server drills its newest backup: leave the archive away, or --url.')
  return connected(globals, async ({ client }) => {
    const { id } = await client.drills.request()
    for (;;) {
      const run = await client.drills.get(id)
      if (run.state === 'succeeded' || run.state === 'failed') {
        if (run.report) return run.report as DrillReport
        throw new CommandError('archive', `The drill did not come to a report: ${run.problem}`)
      }
      await sleep(pollMs)
    }
  })
}
