import type { Command } from 'commander'
import type { Version } from '../../shared/memory/index.ts'
import { connected } from './connect.ts'
import type { Globals } from './globals.ts'
import { answer, oneLine, table } from './output.ts'

const examples = `
What was forgotten is shown too: its last version is deleted. Over HTTP the credential must have the scope memory:history.

Examples:
  $ npx soma history 0199d1a2-7c1e-7000-8000-5f0c2d1a9b3e
  $ npx soma history 0199d1a2-7c1e-7000-8000-5f0c2d1a9b3e --json | jq '.items[].text'`

export function addHistory(program: Command): void {
  program
    .command('history <id>')
    .description('show all versions of a memory, the oldest first')
    .option('--as-of <time>', 'those that were recorded by then')
    .addHelpText('after', examples)
    .action(async (id: string, _options, command: Command) => {
      const { asOf, ...globals } = command.optsWithGlobals<Globals & { asOf?: string }>()
      const items = await connected(globals, async ({ client }) => {
        const all: Version[] = []
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const page = await client.history(id, { cursor, as_of: asOf })
          all.push(...page.items)
          cursor = page.next_cursor
        }
        return all
      })
      const rows = items.map((one) => [String(one.version), one.state, one.updated_at, one.closed_at ?? '', oneLine(one.text)])
      answer(globals, { items }, table([['VERSION', 'STATE', 'RECORDED', 'CLOSED', 'TEXT'], ...rows]))
    })
}
