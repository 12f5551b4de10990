import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { type Config, ConfigError } from '../../shared/config/index.ts'
import { type Indexed, openJournal, readEntry, readJournal, type SegmentState, shipFinished } from '../../shared/journal/index.ts'
import { defaultLimits } from '../../shared/tenant/index.ts'
import { placeAt } from './archive.ts'
import { connect } from './connect.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, integer, quietLog, refuseUrl } from './globals.ts'
import { interruptible } from './interruptible.ts'
import { answer, count, oneLine, remark, table } from './output.ts'
import { bytesText } from './progress.ts'
import { publish } from './publish.ts'

type Options = Globals & { dir?: string; value?: true; failed?: true; limit: number }

const examples = `
With JOURNAL_DIR a server that cannot reach its database keeps plain appends in files there, and stores them by itself when it can. list and show only read,
with or without a database or a server; replay and ship work where no server has the journal.

Examples:
  $ npx soma journal list
  $ npx soma journal show 01a1fd1a-0000-7000-8000-000000000001
  $ npx soma journal replay
  $ npx soma journal ship --dir /mnt/journal`

export function addJournal(program: Command): void {
  const journal = program
    .command('journal')
    .description('look into the journal of appends that came while the database was down; replay and ship it')
    .addHelpText('after', examples)

  addDir(journal.command('list'))
    .description('list its files, and the appends that wait or could not be stored')
    .option('--limit <number>', 'how many appends at most', integer, 50)
    .addHelpText('after', "\nExamples:\n  $ npx soma journal list\n  $ npx soma journal list --dir /mnt/journal --json | jq '.files[].pending'")
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const reader = readJournal(directoryOf(options, await configOf(options)))
      const [files, state, entries, failed] = [await reader.segments(), await reader.state(), await reader.entries(), await reader.failed()]
      const waiting = entries.filter(({ mark }) => !mark)
      const items = [...waiting.map((one) => itemOf(one, 'pending')), ...failed.map((one) => itemOf(one, 'failed'))].slice(0, options.limit)
      const { pending, oldestSeconds: oldest_seconds, bytes, damaged } = state
      answer(options, { pending, failed: failed.length, oldest_seconds, bytes, damaged, files: files.map(fileOf), items }, listText(files, items, waiting.length + failed.length))
    })

  addDir(journal.command('show').argument('<operation>', 'the id of its operation'))
    .description('show one append that is still in the journal')
    .option('--value', 'show its body too: it is what a customer stored')
    .addHelpText('after', '\nExamples:\n  $ npx soma journal show 01a1fd1a-0000-7000-8000-000000000001 --value --json')
    .action(async (operation: string, _options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const directory = directoryOf(options, await configOf(options))
      const reader = readJournal(directory)
      const found = [...(await reader.failed()), ...(await reader.entries())].find((one) => one.operation === operation)
      if (!found)
        throw new CommandError('not_found', `There is no append ${operation} in ${directory}: when it was stored and shipped, GET /v1/operations tells what became of it.`)
      const entry = await readEntry(directory, found)
      const document = { ...itemOf(found, found.failure ? 'failed' : (found.mark?.state ?? 'pending')), ...(options.value ? { body: entry?.body } : {}) }
      answer(options, document, JSON.stringify(document, null, 2))
    })

  addDir(journal.command('replay'))
    .description('store what waits in the journal, without a server')
    .option('--failed', 'what could not be stored before, instead')
    .addHelpText('after', '\nEach is stored once, however often this runs.\n\nExamples:\n  $ npx soma journal replay\n  $ npx soma journal replay --failed --json')
    .action(async (_options, command: Command) => replay(command.optsWithGlobals<Options>()))

  addDir(journal.command('ship'))
    .description('copy finished files to where backups go, without what was stored in them, and remove them here')
    .addHelpText('after', '\nExamples:\n  $ npx soma journal ship')
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const config = await configOf(options)
      const keys = await shipFinished(directoryOf(options, config), placeOf(config))
      answer(options, { keys }, keys.length ? `${count(keys.length, 'file')} shipped:\n${keys.join('\n')}` : 'No file is finished.')
    })
}

async function replay(options: Options): Promise<void> {
  refuseUrl(options, 'journal replay')
  const config = await configOf(options)
  const directory = directoryOf(options, config)
  const connection = await connect(options)
  try {
    const { local } = connection
    if (!local) throw new CommandError('unavailable', `A server at ${connection.servedAt} has the embedded database open: it replays its journal by itself.`)
    const log = quietLog(config)
    const onBroken = (error: unknown, operation: string) => log.error({ err: error, operation }, 'an entry of the journal could not be stored')
    const journal = await openJournal({
      directory,
      ...{ maxBytes: 0, maxAgeMs: 0 },
      app: local.db.app,
      worker: local.db.worker,
      limits: defaultLimits(config),
      shipping: placeOf(config),
      onBroken,
    })
    try {
      const pass = await interruptible((signal) => journal.run(signal, options.failed ? 'failed' : 'pending'))
      answer(
        options,
        pass,
        `${count(pass.stored, 'append')} stored, ${pass.failed} failed, ${pass.waiting} still waiting${pass.unreachable ? ': the database cannot be reached' : ''}.`,
      )
      if (pass.failed || pass.waiting) process.exitCode = 1
      if (pass.stored) remark(options, '`soma journal ship` removes what is finished; a server does so by itself.')
      if (pass.stored) await publish(connection, options)
    } finally {
      await journal.close()
    }
  } finally {
    await connection.close()
  }
}

function addDir(command: Command): Command {
  return command.option('--dir <path>', 'the directory of the journal (default: JOURNAL_DIR)')
}

/** Where a server ships to. */
function placeOf(config: Config) {
  const { BACKUP_BUCKET: bucket, BACKUP_PREFIX: prefix = '', SOMA_DATA_DIR } = config
  return { prefix, store: async () => (await placeAt(bucket === undefined ? join(SOMA_DATA_DIR, 'backups') : `s3://${bucket}`, config)).store }
}

/** @throws ConfigError */
function directoryOf({ dir }: Options, { JOURNAL_DIR }: Config): string {
  const directory = dir ?? JOURNAL_DIR
  if (directory === undefined) throw new ConfigError('JOURNAL_DIR is missing: it says where the journal is, unless --dir does.')
  return resolve(directory)
}

function fileOf({ name, day, bytes, entries, pending, damaged, unfinished }: SegmentState) {
  return { name, day, bytes, entries, pending, damaged, unfinished_bytes: unfinished }
}

function itemOf({ operation, at, tenant, actor, key, memory, bytes, failure, mark }: Indexed, state: string) {
  return { operation, state, at, tenant, actor, memory, idempotency_key: key ?? null, bytes, result: mark?.result ?? null, problem: failure?.problem ?? mark?.problem ?? null }
}

function listText(files: SegmentState[], items: ReturnType<typeof itemOf>[], all: number): string {
  if (!files.length && !items.length) return 'The journal is empty: everything is stored.'
  const rows = files.map((one) => [one.name, String(one.entries), String(one.pending), bytesText(one.bytes), String(one.damaged), one.unfinished ? `${one.unfinished} bytes` : '-'])
  const parts = files.length ? [table([['FILE', 'APPENDS', 'PENDING', 'SIZE', 'DAMAGED', 'UNFINISHED'], ...rows])] : []
  if (items.length) {
    const lines = items.map((one) => [one.operation, one.state, one.at, oneLine(one.tenant, 63), one.problem ? oneLine(`${one.problem.code}: ${one.problem.detail}`) : '-'])
    parts.push(table([['OPERATION', 'STATE', 'CAME', 'TENANT', 'PROBLEM'], ...lines]))
  }
  if (items.length < all) parts.push(`${items.length} of ${all}; more with --limit`)
  return parts.join('\n\n')
}
