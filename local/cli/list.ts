import type { Command } from 'commander'
import type { MemoryOut } from '../../shared/memory/index.ts'
import { connected } from './connect.ts'
import { type Globals, integer, jsonObject } from './globals.ts'
import { answer, count, oneLine, table } from './output.ts'
import { addScope, type ScopeOptions, scopeOf } from './scope.ts'

type Options = Globals & ScopeOptions & { filters?: Record<string, unknown>; orderBy?: string; asOf?: string; validAt?: string; limit?: number; cursor?: string }

const examples = `
One page, the newest first; the next one begins where the cursor of this one says, with the same options otherwise.

Examples:
  $ npx soma list --user ada
  $ npx soma list --filters '{"tags":{"contains":"habits"}}' --order-by 'occurred_at asc' --limit 500
  $ npx soma list --json | jq -r '.items[].id'`

export function addList(program: Command): void {
  addScope(program.command('list').description('list memories by scope and filter'))
    .option('--filters <json>', 'a filter, as in POST /v1/memories/list', jsonObject)
    .option('--order-by <order>', 'created_at, occurred_at or updated_at, asc or desc (default: "created_at desc")')
    .option('--as-of <time>', 'only what was known then')
    .option('--valid-at <time>', 'only what was true then (default: now, or --as-of)')
    .option('--limit <number>', 'how many at most, 1 to 500 (default: 50)', integer)
    .option('--cursor <text>', 'the next_cursor of the page before')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const { filters, orderBy, asOf, validAt, limit, cursor, ...options } = command.optsWithGlobals<Options>()
      const page = await connected(options, ({ client }) =>
        client.list({
          ...scopeOf(options),
          ...(filters ? { filters } : {}),
          // which orders there are is the schema's to say
          ...(orderBy === undefined ? {} : { order_by: orderBy as 'created_at desc' }),
          ...(asOf === undefined ? {} : { as_of: asOf }),
          ...(validAt === undefined ? {} : { valid_at: validAt }),
          ...(limit === undefined ? {} : { limit }),
          ...(cursor === undefined ? {} : { cursor }),
        }),
      )
      answer(options, page, textOf(page.items, page.next_cursor))
    })
}

function textOf(items: MemoryOut[], next: string | null): string {
  if (!items.length) return 'There are no such memories.'
  const rows = items.map((one) => [one.id, String(one.version), one.created_at, oneLine(one.text)])
  const more = next === null ? '' : `; more with --cursor ${next}`
  return `${table([['ID', 'VERSION', 'CREATED', 'TEXT'], ...rows])}\n${count(items.length, 'memory', 'memories')}${more}`
}
