import { type Command, Option } from 'commander'
import { type OutboxRow, type OutboxSummary, outboxStatuses } from '../../shared/outbox/index.ts'
import { administerOutbox } from './administer.ts'
import { age, instantOf } from './age.ts'
import { type Globals, integer } from './globals.ts'
import { addOutboxChanges } from './outbox-changes.ts'
import { answer, count, oneLine, table } from './output.ts'

export type Filter = { tenant?: string; topic?: string; type?: string; olderThan?: string }
type ListOptions = Globals & Filter & { status?: OutboxRow['status']; limit?: number; cursor?: string }

const examples = `
A row is one change that is to be published: ids, attempts and errors, nothing of what was stored. Ten failed attempts make it dead: it waits for replay or purge.
Without --url this works on the database itself, for any tenant; over HTTP for that of the credential (scopes outbox:read, outbox:write), or for any with
a key of the tenant "system" that has the scope platform:outbox.

Examples:
  $ npx soma outbox summary
  $ npx soma outbox list --status dead --tenant acme
  $ npx soma outbox replay --tenant acme --yes
  $ npx soma outbox purge 4711 --reason 'a test that went wrong'`

export function addOutbox(program: Command): void {
  const outbox = program.command('outbox').description('look into the outbox; replay and purge dead rows').addHelpText('after', examples)

  addFilter(outbox.command('list'))
    .description('list outbox rows, the oldest first')
    .addOption(new Option('--status <status>', 'only rows in this state').choices(outboxStatuses))
    .option('--limit <number>', 'how many at most, 1 to 500 (default: 50)', integer)
    .option('--cursor <text>', 'the next_cursor of the page before')
    .addHelpText(
      'after',
      "\nExamples:\n  $ npx soma outbox list\n  $ npx soma outbox list --status pending --older-than 15m\n  $ npx soma outbox list --status dead --tenant acme --json | jq -r '.items[].id'",
    )
    .action(async (_options, command: Command) => {
      const { status, limit, cursor, ...options } = command.optsWithGlobals<ListOptions>()
      const page = await administerOutbox(options, options.tenant, (rows) => rows.list({ ...filterOf(options), status, limit, cursor }))
      answer(options, page, listText(page.items, page.next_cursor))
    })

  outbox
    .command('summary')
    .description('count rows by state, with the age of the oldest and why rows are dead')
    .option('--tenant <name>', 'only this tenant (default: all that have rows; over HTTP: that of the credential)')
    .addHelpText(
      'after',
      "\nExamples:\n  $ npx soma outbox summary\n  $ npx soma outbox summary --tenant acme\n  $ npx soma outbox summary --json | jq '.items[] | select(.dead > 0)'",
    )
    .action(async (_options, command: Command) => {
      const { tenant, ...globals } = command.optsWithGlobals<Globals & Filter>()
      const items = await administerOutbox(globals, tenant, async (rows) => {
        const all: OutboxSummary[] = []
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const page = await rows.summary({ ...(tenant === undefined ? {} : { tenant }), ...(cursor === undefined ? {} : { cursor }) })
          all.push(...page.items)
          cursor = page.next_cursor
        }
        return all
      })
      answer(globals, { items }, summaryText(items))
    })

  addOutboxChanges(outbox)
}

export function addFilter(command: Command): Command {
  return command
    .option('--tenant <name>', 'whose rows (default: "default"; over HTTP: the tenant of the credential)')
    .option('--topic <name>', 'only rows for this topic')
    .option('--type <type>', 'only events of this type, such as created')
    .option('--older-than <age>', 'only rows older than this: 90s, 15m, 2h, 7d, or from before a time', instantOf)
}

/** As the API takes it; which types there are is the schema's to say. */
export function filterOf({ tenant, topic, type, olderThan }: Filter) {
  return {
    ...(tenant === undefined ? {} : { tenant }),
    ...(topic === undefined ? {} : { topic }),
    ...(type === undefined ? {} : { type: type as 'created' }),
    ...(olderThan === undefined ? {} : { older_than: olderThan }),
  }
}

function listText(items: OutboxRow[], next: string | null): string {
  if (!items.length) return 'There are no such rows.'
  const rows = items.map((one) => [one.id, one.status, one.type, one.memory_id ?? `link ${one.link_id}`, String(one.attempts), age(one.age_seconds), oneLine(one.last_error ?? '')])
  const more = next === null ? '' : `; more with --cursor ${next}`
  return `${table([['ID', 'STATUS', 'TYPE', 'MEMORY', 'ATTEMPTS', 'AGE', 'LAST ERROR'], ...rows])}\n${count(items.length, 'row')}${more}`
}

function summaryText(items: OutboxSummary[]): string {
  if (!items.length) return 'There are no rows: everything is published.'
  const rows = items.map((one) => [
    one.tenant,
    ...[one.pending, one.leased, one.sent, one.dead].map(String),
    age(one.oldest_unsent_seconds),
    one.dead_because.map(({ last_error, rows }) => `${rows}× ${oneLine(last_error ?? 'no reason', 60)}`).join('; '),
  ])
  return table([['TENANT', 'PENDING', 'LEASED', 'SENT', 'DEAD', 'OLDEST UNSENT', 'DEAD BECAUSE'], ...rows])
}
