import type { Command } from 'commander'
import { connected } from './connect.ts'
import type { Globals } from './globals.ts'
import { answer, oneLine, table } from './output.ts'

const examples = `
Examples:
  $ npx soma get 0199d1a2-7c1e-7000-8000-5f0c2d1a9b3e
  $ npx soma get 0199d1a2-7c1e-7000-8000-5f0c2d1a9b3e --as-of 2026-03-01T09:00:00Z
  $ npx soma get 0199d1a2-7c1e-7000-8000-5f0c2d1a9b3e --json | jq .metadata`

export function addGet(program: Command): void {
  program
    .command('get <id>')
    .description('show one memory as it is now, or as it was known at an instant')
    .option('--as-of <time>', 'the version that was known then')
    .addHelpText('after', examples)
    .action(async (id: string, _options, command: Command) => {
      const { asOf, ...globals } = command.optsWithGlobals<Globals & { asOf?: string }>()
      const memory = await connected(globals, ({ client }) => client.get(id, { as_of: asOf }))
      const { memory: _alias, ...fields } = memory
      const shown = Object.entries(fields).filter(([, value]) => value !== null && !(typeof value === 'object' && Object.keys(value).length === 0))
      answer(globals, memory, table(shown.map(([name, value]) => [name, typeof value === 'string' ? oneLine(value, 2_000) : oneLine(JSON.stringify(value), 2_000)])))
    })
}
