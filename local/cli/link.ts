import type { Command } from 'commander'
import { connected } from './connect.ts'
import { decimal, type Globals, jsonObject } from './globals.ts'
import { answer, oneLine } from './output.ts'
import { publish } from './publish.ts'

type Options = Globals & { type?: string; weight?: number; metadata?: Record<string, unknown> }

const linkExamples = `
A weight is closeness: on a path a link costs 1 / weight. The same ends and type again replace the weight.

Examples:
  $ npx soma link 01a1fd1a-e8f9-7fc3-9230-3a81be3932f4 01a1fd1a-efd2-7ea9-a014-02dd7108a94d
  $ npx soma link 01a1fd1a-e8f9-7fc3-9230-3a81be3932f4 01a1fd1a-efd2-7ea9-a014-02dd7108a94d --type explains --weight 2.5 --metadata '{"by":"ada"}'`

export function addLink(program: Command): void {
  program
    .command('link <from> <to>')
    .description('link two memories, from one id to the other')
    .option('--type <type>', 'what kind of link it is (default: "related")')
    .option('--weight <number>', 'above 0, at most 1000000 (default: 1)', decimal)
    .option('--metadata <json>', 'a JSON object', jsonObject)
    .addHelpText('after', linkExamples)
    .action(async (from: string, to: string, _options, command: Command) => {
      const { type, weight, metadata, ...globals } = command.optsWithGlobals<Options>()
      await connected(globals, async (connection) => {
        const link = await connection.client.links.create({
          from,
          to,
          ...(type === undefined ? {} : { type }),
          ...(weight === undefined ? {} : { weight }),
          ...(metadata ? { metadata } : {}),
        })
        answer(globals, link, `Linked ${link.from} to ${link.to} by ${link.id}: ${oneLine(link.type)}, weight ${link.weight}.`)
        await publish(connection, globals)
      })
    })
}

const unlinkExamples = `
Examples:
  $ npx soma unlink 01a20de4-4cac-79c1-ab41-3968524cd590`

export function addUnlink(program: Command): void {
  program
    .command('unlink <id>')
    .description('remove a link; the memories stay')
    .addHelpText('after', unlinkExamples)
    .action(async (id: string, _options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      await connected(globals, async (connection) => {
        await connection.client.links.delete(id)
        answer(globals, { id, unlinked: true }, `The link ${id} is removed.`)
        await publish(connection, globals)
      })
    })
}
