import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { type AuditEntry, checkpointPurpose, newestCheckpoints, readCheckpoints, type Verdict, type Verified, verifyAudit } from '../../shared/audit/index.ts'
import type { Database } from '../../shared/db/index.ts'
import { type Signer, signerOf } from '../../shared/signature/index.ts'
import { localSigningKey } from '../adapter.ts'
import { administerAudit } from './administer.ts'
import { instantOf } from './age.ts'
import { onDatabase } from './database.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, integer, refuseUrl } from './globals.ts'
import { answer, count, oneLine, table } from './output.ts'

type ListOptions = Globals & { tenant?: string; action?: string; from?: string; to?: string; limit?: number; cursor?: string }
type Of = Globals & { tenant?: string; against?: string }

const examples = `
Every write, export, denied request and administration is a row, and each row has a place in its tenant's chain of hashes within about a minute. Each minute in which it grew, a signed
checkpoint says where the chain ends. Checkpoints that are kept where the owner of the database cannot reach them show an end that was cut off.

Examples:
  $ npx soma audit list --action key.create
  $ npx soma audit verify
  $ npx soma audit checkpoint > checkpoints.ndjson
  $ npx soma audit verify --against checkpoints.ndjson`
const whenServed = 'Stop it first, or keep the data in Postgres (POSTGRES_URL).'

export function addAudit(program: Command): void {
  const audit = program.command('audit').description('who did what; verifies the chain of the audit log').addHelpText('after', examples)
  addAuditList(audit)
  audit
    .command('verify')
    .description('find every sealed row that was changed, removed, moved or added, in the database itself')
    .option('--tenant <name>', 'only the chain of this tenant (default: all)')
    .option('--against <file>', 'compare with checkpoints that were kept elsewhere, as `soma audit checkpoint` wrote them; their keys are trusted')
    .addHelpText(
      'after',
      '\nIt takes the SIGNING_KEY that signs. The exit code is 1 when anything is wrong.\n\nExamples:\n  $ npx soma audit verify\n  $ npx soma audit verify --tenant acme --against checkpoints.ndjson --json',
    )
    .action(async (_options, command: Command) => {
      const { tenant, against, ...globals } = command.optsWithGlobals<Of>()
      const checkpoints = against === undefined ? [] : readCheckpoints(readKept(against))
      const verdict = await onAudit(globals, 'audit verify', (worker, signer) => verifyAudit(worker, signer(), { tenant, against: checkpoints }))
      if (!verdict.ok) process.exitCode = 1
      answer(globals, verdict, verdictText(verdict))
    })
  audit
    .command('checkpoint')
    .description('write the newest checkpoint of each chain, one a line: to be kept where the owner of the database cannot reach it')
    .option('--tenant <name>', 'only that of this tenant (default: all)')
    .addHelpText('after', '\nExamples:\n  $ npx soma audit checkpoint > checkpoints.ndjson\n  $ npx soma audit checkpoint --tenant acme >> acme.ndjson')
    .action(async (_options, command: Command) => {
      const { tenant, ...globals } = command.optsWithGlobals<Of>()
      const newest = await onAudit(globals, 'audit checkpoint', (worker) => newestCheckpoints(worker, tenant))
      process.stdout.write(newest.map((one) => `${JSON.stringify(one)}\n`).join(''))
    })
}

function addAuditList(audit: Command): void {
  audit
    .command('list')
    .description('list audit rows, the newest first')
    .option('--tenant <name>', 'whose rows (default: "default"; over HTTP: the tenant of the credential)')
    .option('--action <name>', 'only this action, such as memory.forget')
    .option('--from <time>', 'only rows from this time on, or of the last 15m, 2h, 7d', instantOf)
    .option('--to <time>', 'only rows from before this time', instantOf)
    .option('--limit <number>', 'how many at most, 1 to 500 (default: 50)', integer)
    .option('--cursor <text>', 'the next_cursor of the page before')
    .addHelpText(
      'after',
      "\nExamples:\n  $ npx soma audit list\n  $ npx soma audit list --action request.denied --from 2h\n  $ npx soma audit list --tenant acme --json | jq -r '.items[].action'",
    )
    .action(async (_options, command: Command) => {
      const { tenant, action, from, to, limit, cursor, ...globals } = command.optsWithGlobals<ListOptions>()
      const page = await administerAudit(globals, tenant, (list) => list({ tenant, action, from, to, limit, cursor }))
      answer(globals, page, listText(page.items, page.next_cursor))
    })
}

/** On the database itself; the signer is the one of the server's SIGNING_KEY. */
async function onAudit<T>(globals: Globals, command: string, work: (worker: Database, signer: () => Signer) => Promise<T>): Promise<T> {
  refuseUrl(globals, command)
  const config = await configOf(globals)
  const signer = () => {
    if (config.SIGNING_KEY === undefined && config.POSTGRES_URL !== undefined && config.STAGE !== 'local')
      throw new CommandError('config', 'SIGNING_KEY is missing: it takes the one that the servers have.')
    return signerOf(config.SIGNING_KEY ?? localSigningKey(config), checkpointPurpose)
  }
  return onDatabase(config, 'worker', whenServed, (worker) => work(worker, signer))
}

function readKept(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CommandError('usage', `--against names a file that cannot be read (${(cause as NodeJS.ErrnoException).code}): ${file}`, cause)
  }
}

function verdictText({ ok, tenants }: Verdict): string {
  const lines = tenants.flatMap((one) => [tenantText(one), ...one.faults.map(({ kind, position, seq, detail }) => `  ${kind}${placeText(position, seq)}: ${oneLine(detail, 400)}`)])
  return [...lines, ok ? 'Nothing is wrong.' : 'The audit log is not what was sealed.'].join('\n')
}

const placeText = (position: number | null, seq: string | null): string => [position === null ? '' : ` at place ${position}`, seq === null ? '' : `, row ${seq}`].join('')

function tenantText({ tenant, ok, position, waiting, checkpoints, unknown_keys: keys, fault_count: faults }: Verified): string {
  const more = [waiting ? `${count(waiting, 'row')} not sealed yet` : '', keys.length ? `checkpoints with keys that are not known here: ${keys.join(', ')}` : ''].filter(Boolean)
  return `${ok ? 'ok  ' : 'FAIL'}  ${tenant}: ${count(position, 'row')}, ${count(checkpoints, 'checkpoint')}${more.length ? `; ${more.join('; ')}` : ''}${ok ? '' : `; ${count(faults, 'fault')}`}`
}

function listText(items: AuditEntry[], next: string | null): string {
  if (!items.length) return 'There are no such rows.'
  const rows = items.map((one) => [
    one.at,
    String(one.position ?? '-'),
    one.actor,
    one.action,
    one.target ?? '-',
    oneLine(one.detail === null ? '' : JSON.stringify(one.detail), 80),
  ])
  const more = next === null ? '' : `; more with --cursor ${next}`
  return `${table([['AT', 'PLACE', 'ACTOR', 'ACTION', 'TARGET', 'DETAIL'], ...rows])}\n${count(items.length, 'row')}${more}`
}
