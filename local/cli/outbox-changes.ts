import type { Command } from 'commander'
import type { Client } from '../../shared/client/index.ts'
import { administerOutbox } from './administer.ts'
import { CommandError } from './failure.ts'
import type { Globals } from './globals.ts'
import { addFilter, type Filter, filterOf } from './outbox.ts'
import { answer, count } from './output.ts'
import { publish } from './publish.ts'

type Options = Globals & Filter & { sent?: true; reason: string; yes?: true }
type Rows = Parameters<Client['outbox']['replay']>[0]
type Change = (outbox: Client['outbox'], rows: Rows) => Promise<{ matched: number; more: boolean; confirm: string } | { changed: number; skipped: number }>

const replayExamples = `
With ids these are replayed at once. Without, all dead rows that match are counted, and replayed with --yes, up to 100,000 of the oldest: attempts begin anew,
and a drain is woken.
Consumers apply an event once, however often it is published.

Examples:
  $ npx soma outbox replay 4711 4712 --tenant acme
  $ npx soma outbox replay --tenant acme
  $ npx soma outbox replay --tenant acme --older-than 1h --yes
  $ npx soma outbox replay --sent --type created --yes --json`

const purgeExamples = `
Only dead rows are purged: their events are never published. The reason and the ids of the events are kept in the audit log.

Examples:
  $ npx soma outbox purge 4711 --reason 'a test that went wrong'
  $ npx soma outbox purge --tenant acme --type linked --reason 'links of a test'
  $ npx soma outbox purge --tenant acme --type linked --reason 'links of a test' --yes`

export function addOutboxChanges(outbox: Command): void {
  addFilter(outbox.command('replay').argument('[ids...]', 'the rows, as `soma outbox list` shows them'))
    .description('have dead rows published again')
    .option('--sent', 'sent rows that are still there, instead of dead ones')
    .option('--yes', 'replay what matches, not only count it')
    .addHelpText('after', replayExamples)
    .action(async (ids: string[], _options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const status = options.sent ? ('sent' as const) : ('dead' as const)
      await change(options, ids, { done: 'replayed', which: status }, async (rows, given) => {
        const answer = await rows.replay({ ...given, status })
        return 'replayed' in answer ? { changed: answer.replayed, skipped: answer.skipped } : answer
      })
    })

  addFilter(outbox.command('purge').argument('[ids...]', 'the rows, as `soma outbox list` shows them'))
    .description('remove dead rows for good')
    .requiredOption('--reason <text>', 'why, for the audit log')
    .option('--yes', 'purge what matches, not only count it')
    .addHelpText('after', purgeExamples)
    .action(async (ids: string[], _options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      await change(options, ids, { done: 'purged', which: 'dead' }, async (rows, given) => {
        const answer = await rows.purge({ ...given, reason: options.reason })
        return 'purged' in answer ? { changed: answer.purged, skipped: answer.skipped } : answer
      })
    })
}

type Words = { done: 'replayed' | 'purged'; which: string }

async function change(options: Options, ids: string[], { done, which }: Words, call: Change): Promise<void> {
  const filter = filterOf(options)
  const { tenant: _tenant, ...narrowed } = filter
  if (ids.length && Object.keys(narrowed).length) throw new CommandError('usage', 'Give the ids of rows, or a filter, not both.')
  await administerOutbox(options, options.tenant, async (outbox, connection) => {
    const first = await call(outbox, ids.length ? { ...filter, ids } : filter)
    if ('matched' in first && !options.yes) {
      const { matched, more } = first
      return answer(options, { matched, more }, `${more ? 'The oldest ' : ''}${count(matched, `${which} row matches`, `${which} rows match`)}. With --yes they are ${done}.`)
    }
    const last = 'matched' in first ? await call(outbox, { ...filter, confirm: first.confirm }) : first
    if (!('changed' in last)) return
    const { changed, skipped } = last
    const more = 'matched' in first && first.more
    const rest = skipped ? `; ${skipped} not: they are not there, or not ${which}` : more ? '; there are more: run it again' : ''
    answer(options, { [done]: changed, skipped, more }, `${count(changed, 'row')} ${done}${rest}.`)
    if (done === 'replayed' && changed) await publish(connection, options)
  })
}
