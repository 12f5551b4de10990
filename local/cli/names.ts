import type { Command } from 'commander'
import type { Client } from '../../shared/client/index.ts'
import { connected } from './connect.ts'
import type { Globals } from './globals.ts'
import { answer, oneLine, table } from './output.ts'

type Page<Item> = { items: Item[]; next_cursor: string | null }
type Where = { namespace?: string; user?: string }
const pageSize = 500

export function addNames(program: Command): void {
  program
    .command('namespaces')
    .description('list the namespaces that hold memories, with their counts')
    .addHelpText('after', '\nExamples:\n  $ npx soma namespaces\n  $ npx soma namespaces --json')
    .action(async (_options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const items = await every(globals, (client, cursor) => client.namespaces({ limit: pageSize, cursor }))
      answer(globals, { items }, table([['NAMESPACE', 'MEMORIES', 'LAST ACTIVITY'], ...items.map((one) => [oneLine(one.namespace), String(one.memories), one.last_activity])]))
    })

  program
    .command('users')
    .description('list the users of a namespace that hold memories, with their counts')
    .option('--namespace <name>', 'the collection (default: "default")')
    .addHelpText('after', '\nExamples:\n  $ npx soma users\n  $ npx soma users --namespace work --json')
    .action(async ({ namespace }: Where, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const items = await every(globals, (client, cursor) => client.users({ namespace, limit: pageSize, cursor }))
      answer(globals, { items }, table([['USER', 'MEMORIES', 'LAST ACTIVITY'], ...items.map((one) => [oneLine(one.user_id), String(one.memories), one.last_activity])]))
    })

  program
    .command('sessions')
    .description('list the sessions of a namespace, or of one user in it, with their counts')
    .option('--namespace <name>', 'the collection (default: "default")')
    .option('--user <id>', 'only the sessions of this user')
    .addHelpText('after', '\nExamples:\n  $ npx soma sessions\n  $ npx soma sessions --user ada --json')
    .action(async ({ namespace, user }: Where, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      const items = await every(globals, (client, cursor) => client.sessions({ namespace, user_id: user, limit: pageSize, cursor }))
      const ids = (...ids: (string | null)[]) => ids.map((id) => (id === null ? '-' : oneLine(id)))
      const rows = items.map((one) => [...ids(one.session_id, one.user_id, one.agent_id, one.app_id, one.run_id), String(one.memories), one.last_activity])
      answer(globals, { items }, table([['SESSION', 'USER', 'AGENT', 'APP', 'RUN', 'MEMORIES', 'LAST ACTIVITY'], ...rows]))
    })
}

async function every<Item>(globals: Globals, page: (client: Client, cursor: string | undefined) => Promise<Page<Item>>): Promise<Item[]> {
  return connected(globals, async ({ client }) => {
    const all: Item[] = []
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const { items, next_cursor } = await page(client, cursor)
      all.push(...items)
      cursor = next_cursor
    }
    return all
  })
}
