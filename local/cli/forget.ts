import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { type Connection, connected } from './connect.ts'
import { CommandError } from './failure.ts'
import { type Globals, integer, jsonObject } from './globals.ts'
import { answer, count } from './output.ts'
import { showProgress } from './progress.ts'
import { publish } from './publish.ts'
import { addScope, type ScopeOptions, scopeOf } from './scope.ts'

type Options = Globals & ScopeOptions & { ifVersion?: number; filters?: Record<string, unknown>; yes?: true }

const examples = `
It leaves every recall, list and count at once. Its history keeps it until it is erased.
With a scope or a filter instead of an id all that match are counted, and forgotten with --yes: exactly those that were counted, or none.

Examples:
  $ npx soma forget 0199d1a2-7c1e-7000-8000-5f0c2d1a9b3e
  $ npx soma forget 0199d1a2-7c1e-7000-8000-5f0c2d1a9b3e --if-version 3 --json
  $ npx soma forget --user ada
  $ npx soma forget --user ada --filters '{"created_at":{"lt":"2026-01-01"}}' --yes`

export function addForget(program: Command): void {
  addScope(program.command('forget').description('forget one memory, or all that match').argument('[id]', 'the memory'))
    .option('--if-version <number>', 'only when this is its version now', integer)
    .option('--filters <json>', 'a filter, as in POST /v1/memories/forget', jsonObject)
    .option('--yes', 'forget what matches, not only count it')
    .addHelpText('after', examples)
    .action(async (id: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { ifVersion, filters, yes } = options
      const scoped = filters !== undefined || Object.keys(scopeOf(options)).some((name) => name !== 'namespace')
      if ((id === undefined) !== scoped) throw new CommandError('usage', 'Give the id of a memory, or a scope or --filters: `soma forget --user ada`.')
      if (id === undefined && ifVersion !== undefined) throw new CommandError('usage', '--if-version goes with an id.')
      await connected(options, async (connection) => {
        if (id === undefined) await forgetMatching(connection, options, { ...scopeOf(options), ...(filters ? { filters } : {}) }, yes === true)
        else {
          await connection.client.forget(id, { ifVersion })
          answer(options, { id, forgotten: true }, `Forgot ${id}.`)
        }
        await publish(connection, options)
      })
    })
}

async function forgetMatching(connection: Connection, globals: Globals, query: Parameters<Connection['client']['forgetMatching']>[0], yes: boolean): Promise<void> {
  const { client } = connection
  const dry = (await client.forgetMatching(query)) as { matched: number; confirm: string }
  if (!yes) return answer(globals, dry, `${count(dry.matched, 'memory matches', 'memories match')}. With --yes they are forgotten.`)
  const done = await client.forgetMatching({ ...query, confirm: dry.confirm })
  if ('deleted' in done) return answer(globals, done, `Forgot ${count(done.deleted, 'memory', 'memories')}.`)
  if ('operation' in done) await follow(connection, globals, done.operation, dry.matched)
}

/** Many are forgotten by an operation; where no server does it, this process does. */
async function follow({ client, local }: Connection, globals: Globals, id: string, total: number): Promise<void> {
  const progress = showProgress(globals, { label: 'Forgetting', unit: 'memories', total })
  local?.runJob('run-operations').catch(() => {}) // its state says what became of it
  try {
    for (;;) {
      const operation = await client.operation(id)
      progress.report(Math.round(operation.progress * total))
      if (operation.problem) throw new CommandError(operation.problem.code, operation.problem.detail)
      if (operation.state === 'succeeded') {
        const { deleted = 0, changed = 0 } = operation.result as { deleted?: number; changed?: number }
        const spared = changed ? `; ${count(changed, 'memory', 'memories')} had changed meanwhile and stayed` : ''
        return answer(globals, { deleted, changed }, `Forgot ${count(deleted, 'memory', 'memories')}${spared}.`)
      }
      await sleep(200)
    }
  } finally {
    progress.end()
  }
}
