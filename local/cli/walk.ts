import type { Command } from 'commander'
import type { LinkOut, Neighbors, PathOut } from '../../shared/link/index.ts'
import { connected } from './connect.ts'
import { type Globals, integer } from './globals.ts'
import { answer, count, oneLine, table } from './output.ts'

type NeighborsOptions = Globals & { type?: string; direction?: string; hops?: number; limit?: number }

const neighborsExamples = `
Each memory is there once, a nearer hop first, in a hop those of the strongest links.

Examples:
  $ npx soma neighbors 01a1fd1a-e8f9-7fc3-9230-3a81be3932f4
  $ npx soma neighbors 01a1fd1a-e8f9-7fc3-9230-3a81be3932f4 --hops 3 --direction both --limit 20
  $ npx soma neighbors 01a1fd1a-e8f9-7fc3-9230-3a81be3932f4 --type explains --json | jq '.items[].memory.text'`

export function addNeighbors(program: Command): void {
  program
    .command('neighbors <id>')
    .description('show the memories that a memory is linked to')
    .option('--type <type>', 'links of this type only')
    .option('--direction <direction>', 'out, in or both (default: "out")')
    .option('--hops <number>', '1 to 3 (default: 1)', integer)
    .option('--limit <number>', '1 to 500 (default: 50)', integer)
    .addHelpText('after', neighborsExamples)
    .action(async (id: string, _options, command: Command) => {
      const { type, direction, hops, limit, ...globals } = command.optsWithGlobals<NeighborsOptions>()
      // which directions there are is the schema's to say
      const found = await connected(globals, ({ client }) => client.neighbors(id, { type, direction: direction as 'out' | undefined, hops, limit }))
      answer(globals, found, neighborsText(found))
    })
}

function neighborsText({ items }: Neighbors): string {
  if (!items.length) return 'It has no neighbours there.'
  const rows = items.map(({ link, memory, hops }) => [String(hops), memory.id, link.to === memory.id ? arrow(link) : against(link), oneLine(memory.text)])
  return `${table(rows)}\n${count(items.length, 'neighbour')}.`
}

const arrow = (link: LinkOut) => `--${oneLine(link.type, 40)} ${link.weight}-->`
const against = (link: LinkOut) => `<--${oneLine(link.type, 40)} ${link.weight}--`

type PathOptions = Globals & { type?: string; maxHops?: number }

const pathExamples = `
A link costs 1 / weight, a path the sum of its links.

Examples:
  $ npx soma path 01a1fd1a-e8f9-7fc3-9230-3a81be3932f4 01a1fd1a-efd2-7ea9-a014-02dd7108a94d
  $ npx soma path 01a1fd1a-e8f9-7fc3-9230-3a81be3932f4 01a1fd1a-efd2-7ea9-a014-02dd7108a94d --type explains --max-hops 3 --json`

export function addPath(program: Command): void {
  program
    .command('path <from> <to>')
    .description('show the cheapest path along the links from one memory to another')
    .option('--type <type>', 'links of this type only')
    .option('--max-hops <number>', '1 to 6 links (default: 6)', integer)
    .addHelpText('after', pathExamples)
    .action(async (from: string, to: string, _options, command: Command) => {
      const { type, maxHops, ...globals } = command.optsWithGlobals<PathOptions>()
      const found = await connected(globals, ({ client }) => client.path({ from, to, type, max_hops: maxHops }))
      answer(globals, found, pathText(found))
    })
}

function pathText(found: PathOut): string {
  if (!('links' in found)) return 'There is no such path.'
  const rows = found.path.map((memory, i) => [memory.id, i === 0 ? '' : arrow(found.links[i - 1] as LinkOut), oneLine(memory.text)])
  return `${table(rows)}\nCost ${found.cost} over ${count(found.links.length, 'link')}.`
}
