import { type Command, Option } from 'commander'
import type { Usage } from '../../shared/usage/index.ts'
import { connected } from './connect.ts'
import type { Globals } from './globals.ts'
import { answer, table } from './output.ts'

const examples = `
MEMORIES and BYTES are the level at the end of the day or hour (UTC); the others are what happened within it.

Examples:
  $ npx soma usage
  $ npx soma usage --from 2026-01-01 --to 2026-02-01
  $ npx soma usage --by hour --from 2026-01-31 --json`

export function addUsage(program: Command): void {
  program
    .command('usage')
    .description('show what the tenant holds and used, by day or hour')
    .option('--from <time>', 'where to begin (default: 30 days before the end)')
    .option('--to <time>', 'where to end (default: now)')
    .addOption(new Option('--by <size>', 'the size of a bucket (default: day)').choices(['day', 'hour']))
    .addHelpText('after', examples)
    .action(async ({ from, to, by }: { from?: string; to?: string; by?: 'day' | 'hour' }, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const usage = await connected(globals, ({ client }) => client.usage({ from, to, by }))
      const row = (name: string, use: Usage) => [name, ...[use.memories, use.bytes, use.stores, use.recalls, use.embedded_tokens].map(String)]
      const width = usage.by === 'day' ? 'YYYY-MM-DD'.length : 'YYYY-MM-DDTHH:MM'.length
      const rows = usage.items.map((item) => row(item.start.slice(0, width), item))
      answer(globals, usage, table([['START', 'MEMORIES', 'BYTES', 'STORES', 'RECALLS', 'EMBEDDED TOKENS'], ...rows, row('total', usage.totals)]))
    })
}
