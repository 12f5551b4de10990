import { once } from 'node:events'
import { createReadStream, createWriteStream, existsSync, truncateSync } from 'node:fs'
import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import type { Client, ExportOptions } from '../../shared/client/index.ts'
import { type ContentHash, contentHash, readLines } from '../../shared/transfer/index.ts'
import { connected } from './connect.ts'
import { fetchExport } from './export-parts.ts'
import { CommandError } from './failure.ts'
import type { Globals } from './globals.ts'
import { numberText, showProgress } from './progress.ts'

export type Options = Globals & {
  namespace?: string
  allNamespaces?: true
  user?: string
  versions?: true
  links?: true
  vectors?: true
  out?: string
  resume?: true
  background?: true
  operation?: string
}

const examples = `
One memory a line (NDJSON); \`soma import\` reads it. Without --out the lines go to stdout. The summary and the hash of the content are on stderr.

Examples:
  $ npx soma export --out memories.ndjson
  $ npx soma export --all-namespaces --versions --links --out everything.ndjson
  $ npx soma export --all-namespaces --versions --links --out everything.ndjson --resume
  $ npx soma export --url https://memory.example --all-namespaces --background --out everything.ndjson
  $ npx soma export --user ada | npx soma import - --data-dir elsewhere`

export function addExport(program: Command): void {
  program
    .command('export')
    .description('write memories as NDJSON, one a line')
    .option('--namespace <name>', 'the collection (default: "default")')
    .option('--all-namespaces', 'all of them')
    .option('--user <id>', 'only the memories of this user')
    .option('--versions', 'the closed versions too, each before its memory')
    .option('--links', 'the links between what is exported, at the end')
    .option('--vectors', 'the vectors too; otherwise an import makes them anew')
    .option('--out <file>', 'a new file, instead of stdout')
    .option('--resume', 'go on with an --out that was broken off: what is cut is dropped, the rest follows')
    .option('--background', 'as an operation that goes on without this command; its parts are fetched as they come')
    .option('--operation <id>', 'fetch the parts of this one, which was begun before')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { out } = options
      if (options.resume && out === undefined) throw new CommandError('usage', '--resume goes on with a file: name it by --out.')
      if (out !== undefined && !options.resume && existsSync(out)) throw new CommandError('conflict', `${out} exists already: give another --out, or --resume to go on with it.`)
      if (options.operation !== undefined && options.resume) throw new CommandError('usage', '--operation fetches all parts of it: leave --resume away.')
      const hash = contentHash()
      const cursor = out !== undefined && options.resume && existsSync(out) ? await cutToWhole(out, hash) : undefined
      const before = hash.lines()
      const digest = await connected(options, (connection) => {
        const background = options.background || options.operation !== undefined
        return background ? fetchExport(connection, options, cursor, hash) : writeExport(connection.client, options, cursor, hash)
      })
      summarize(options, digest, before)
    })
}

export function queryOf({ namespace, allNamespaces, user, versions, links, vectors }: Options): ExportOptions {
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(user === undefined ? {} : { user_id: user }),
    ...(allNamespaces ? { all_namespaces: true } : {}),
    ...(versions ? { versions: true } : {}),
    ...(links ? { links: true } : {}),
    ...(vectors ? { vectors: true } : {}),
  }
}

async function writeExport(client: Client, options: Options, cursor: string | undefined, hash: ReturnType<typeof contentHash>): Promise<ContentHash> {
  const lines = await client.export({ ...queryOf(options), ...(cursor === undefined ? {} : { cursor }) })
  const out: Writable = options.out === undefined ? process.stdout : createWriteStream(options.out, { flags: 'a' })
  const progress = showProgress(options, { label: 'Exporting', unit: 'lines', total: await totalOf(client, options) })
  try {
    for await (const line of exportedLines(lines)) {
      if (!out.write(`${line.text}\n`)) await once(out, 'drain')
      hash.add(line.value)
      progress.report(hash.lines())
    }
  } catch (error) {
    const how = options.out === undefined ? 'Repeat it' : `Go on with --resume: ${options.out} holds what came`
    throw new CommandError('failed', `The export broke off. ${how}. (${error instanceof Error ? error.message : String(error)})`, error)
  } finally {
    progress.end()
    if (options.out !== undefined) await new Promise<void>((ended) => out.end(ended))
  }
  return hash.digest()
}

/** How many lines there will be, where that is known without looking: all memories, and nothing else. */
async function totalOf(client: Client, { allNamespaces, user, versions, links }: Options): Promise<number | undefined> {
  return allNamespaces && user === undefined && !versions && !links ? (await client.stats()).total_memories : undefined
}

/** The lines of an export, read again as they come. @throws Error when one is no JSON */
export async function* exportedLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<{ text: string; value: Record<string, unknown> }> {
  for await (const raw of readLines(bytes, Number.POSITIVE_INFINITY)) {
    if ('problem' in raw) throw new Error(`Line ${raw.line} is not UTF-8.`)
    yield { text: raw.text, value: JSON.parse(raw.text) }
  }
}

/** Cuts a file after its last whole memory or link, and tells that one's id. Versions whose memory did not come, and half a line, come again. */
export async function cutToWhole(path: string, hash: ReturnType<typeof contentHash>): Promise<string | undefined> {
  let place = 0
  let whole = 0
  let cursor: string | undefined
  let waiting: Record<string, unknown>[] = []
  let rest = Buffer.alloc(0)
  for await (const chunk of createReadStream(path)) {
    rest = Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = lineOf(rest.subarray(0, end).toString(), path)
      rest = rest.subarray(end + 1)
      place += end + 1
      waiting.push(line)
      if (line.kind === 'version') continue
      for (const one of waiting) hash.add(one)
      waiting = []
      whole = place
      cursor = String(line.id)
    }
  }
  truncateSync(path, whole)
  return cursor
}

function lineOf(text: string, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && 'id' in value) return value as Record<string, unknown>
  } catch {
    // told below, as for a line of something else
  }
  throw new CommandError('failed', `${path} holds a line that no export wrote: give another --out.`)
}

function summarize(options: Options, { lines, hash }: ContentHash, before: number): void {
  const document = { lines, resumed_after: before, hash, ...(options.out === undefined ? {} : { out: options.out }) }
  const resumed = before > 0 ? `, ${numberText(before)} of them there before` : ''
  process.stderr.write(options.json ? `${JSON.stringify(document)}\n` : `Exported ${numberText(lines)} lines${resumed}. Content hash ${hash}\n`)
}
