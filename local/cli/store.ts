import type { Command } from 'commander'
import type { Memory } from '../../shared/client/index.ts'
import { type Connection, connected } from './connect.ts'
import { CommandError } from './failure.ts'
import { commaList, type Globals, jsonObject } from './globals.ts'
import { answer, count, remark } from './output.ts'
import { publish } from './publish.ts'
import { addScope, type ScopeOptions, scopeOf } from './scope.ts'
import { storeLines } from './store-lines.ts'

type Options = Globals & ScopeOptions & { coord?: string; metadata?: Record<string, unknown>; tags?: string[]; type?: string; fromFile?: string }

const examples = `
A text that begins with a dash stands after --. A file holds one memory a line, as POST /v1/memories takes it; the options fill in what a line leaves out.

Examples:
  $ npx soma store 'Ada prefers tea in the morning' --user ada --tags drinks,habits
  $ npx soma store 'The depot moved to Pier 4' --coord 1,2,3 --type semantic --metadata '{"source":"ops"}'
  $ npx soma store --from-file memories.ndjson --namespace archive
  $ cat memories.ndjson | npx soma store --from-file - --json`

export function addStore(program: Command): void {
  addScope(program.command('store').description('store one memory, or a file of them').argument('[text]', 'what to remember'))
    .option('--coord <numbers>', 'a coordinate such as 1,2,3; storing there again makes a new version')
    .option('--metadata <json>', 'a JSON object to filter by', jsonObject)
    .option('--tags <list>', 'tags, split by commas', commaList)
    .option('--type <type>', 'episodic, semantic or procedural (default: "episodic")')
    .option('--from-file <path>', 'NDJSON, one memory a line; - reads stdin')
    .addHelpText('after', examples)
    .action(async (text: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      if ((text === undefined) === (options.fromFile === undefined)) throw new CommandError('usage', "Give a text or --from-file, one of them: `soma store 'Ada prefers tea'`.")
      await connected(options, async (connection) => {
        await (text === undefined ? storeFile(connection, options) : storeText(connection, options, text))
        await publish(connection, options)
      })
    })
}

function givenFields({ coord, metadata, tags, type, ...options }: Options): Partial<Memory> {
  return {
    ...scopeOf(options),
    ...(coord === undefined ? {} : { coord }),
    ...(metadata ? { metadata } : {}),
    ...(tags ? { tags } : {}),
    // which types there are is the schema's to say
    ...(type === undefined ? {} : { memory_type: type as 'episodic' }),
  }
}

async function storeText({ client }: Connection, options: Options, text: string): Promise<void> {
  const stored = await client.store({ ...givenFields(options), text })
  const kept = 'operation' in stored ? `The database is down: it is kept in the server's journal and stored later; GET /v1/operations/${stored.operation} tells when.` : ''
  answer(options, stored, 'operation' in stored ? kept : `Stored ${stored.id}, version ${stored.version}.`)
}

async function storeFile({ client }: Connection, options: Options): Promise<void> {
  const report = await storeLines(client, options.fromFile ?? '-', givenFields(options))
  const { created, updated, duplicate, failed, failures } = report
  answer(options, report, `Stored ${count(created + updated, 'memory', 'memories')}: ${created} new, ${updated} updated, ${duplicate} known already, ${failed} failed.`)
  for (const failure of failures) remark(options, `Line ${failure.line}: ${failure.detail}`)
  if (failed > 0) process.exitCode = 1
}
