import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { drillPage } from '../../functions/recovery/page.ts'
import { listArchives, type RunKind, type RunOut, soundArchives } from '../../shared/recovery/index.ts'
import { administerRuns } from './administer.ts'
import { existingPlace } from './archive.ts'
import { configOf, type Globals, integer } from './globals.ts'
import { answer, oneLine, table } from './output.ts'
import { numberText } from './progress.ts'

const examples = {
  backup: `
Examples:
  $ npx soma backups
  $ npx soma backups --limit 5 --json
  $ npx soma backups s3://my-backups/nightly`,
  drill: `
With --url it takes a key of the tenant "system" that has the scope platform:drills.

Examples:
  $ npx soma drills
  $ npx soma drills 7f2c1c52-0000-4000-8000-000000000001 --json
  $ npx soma drills 7f2c1c52-0000-4000-8000-000000000001 --html drill.html`,
}

export function addRuns(program: Command): void {
  program
    .command('backups')
    .description('list the backups that were written to where they are kept, and what came of each')
    .argument('[place]', 'list the archives that lie there instead: a directory, or s3://bucket/prefix; no database is needed')
    .option('--limit <n>', 'how many at most (default: 20)', integer)
    .addHelpText('after', examples.backup)
    .action(async (given: string | undefined, { limit }: { limit?: number }, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      if (given === undefined) return list(globals, 'backup', limit)
      const { store, prefix, path } = await existingPlace(given, await configOf(globals))
      const all = await listArchives(store, prefix)
      const sound = new Set(soundArchives(all))
      // an increment is worth nothing without what it builds on
      const items = all
        .map((one) => ({ ...one, whole: one.whole && sound.has(one), builds: one.builds ?? null }))
        .toReversed()
        .slice(0, limit)
      const rows = items.map(({ name, at, installation, whole, builds }) => [name, at.toISOString(), installation, whole ? 'yes' : 'no', builds?.on ?? '-'])
      answer(globals, { path, items }, items.length ? table([['ARCHIVE', 'AT', 'INSTALLATION', 'WHOLE', 'BUILDS ON'], ...rows]) : `There is no archive of a backup in ${path}.`)
    })
  program
    .command('drills')
    .description('list the drills of backups, or show one')
    .argument('[id]', 'a drill')
    .option('--limit <n>', 'how many at most (default: 20)', integer)
    .option('--html <file>', 'write the drill as a page into a file')
    .addHelpText('after', examples.drill)
    .action(async (id: string | undefined, { limit, html }: { limit?: number; html?: string }, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      if (id === undefined) return list(globals, 'drill', limit)
      const run = await administerRuns(globals, 'drill', ({ get }) => get(id))
      if (html !== undefined) writeFileSync(html, await drillPage(run))
      const checks = ((run.report?.checks ?? []) as { name: string; ok: boolean; detail: string }[]).map(({ ok, name, detail }) => [ok ? 'ok' : 'FAIL', name, detail])
      answer(globals, run, [table(checks), `${run.state}: ${run.archive ?? 'no archive'}${run.problem ? `. ${run.problem}` : ''}`].filter(Boolean).join('\n'))
    })
}

async function list(globals: Globals, kind: RunKind, limit = 20): Promise<void> {
  const page = await administerRuns(globals, kind, ({ list: runs }) => runs({ limit }))
  const row = (run: RunOut) => [run.id, run.state, run.ended_at ?? run.started_at ?? run.requested_at, run.archive ?? '-', oneLine(run.problem ?? resultOf(run), 100)]
  answer(globals, page, page.items.length ? table([['ID', 'STATE', 'AT', 'ARCHIVE', 'RESULT'], ...page.items.map(row)]) : `There was no ${kind} yet.`)
}

function resultOf({ kind, report }: RunOut): string {
  if (!report) return ''
  const rows = `${numberText(Number(report.rows))} rows`
  return kind === 'backup' ? rows : `${rows}, RPO ${report.rpo_seconds} s, RTO ${report.rto_seconds} s`
}
