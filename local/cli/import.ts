import { createReadStream, statSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { Client } from '../../shared/client/index.ts'
import { contentHash, converters, convertFile, type ImportReport, readLines, type Source } from '../../shared/transfer/index.ts'
import { connected } from './connect.ts'
import { CommandError } from './failure.ts'
import type { Globals } from './globals.ts'
import { importByParts } from './import-parts.ts'
import { answer, remark } from './output.ts'
import { numberText, showProgress } from './progress.ts'

type Options = Globals & { from: 'soma' | Source; namespace?: string; user?: string; background?: true }
/** A line to send: `record` is the line or the place in the list it came from. */
type Outgoing = { record: number; text: string; holds: boolean } | { record: number; problem: string }

/** What one request carries. A version and its memory are never parted. */
const most = { lines: 5_000, bytes: 16 * 1024 * 1024 } as const
const listed = 100
/** JSON documents of others may be one line. */
const longestDocument = 256 * 1024 * 1024

const examples = `
Each line is stored for itself, and doing it again stores nothing new; ids, versions and times are kept. Exits 1 when a line failed.
--from takes the files of others: mem0 (its export), langgraph (select row_to_json(store) from store), guide (JSONL with a coordinate a line),
mcp (memory.jsonl of the MCP reference server). Their ids are made from the file's, so importing twice makes no doubles.

Examples:
  $ npx soma import memories.ndjson
  $ npx soma import everything.ndjson --url https://memory.example --background
  $ npx soma import mem0.json --from mem0 --namespace moved
  $ psql -Atc 'select row_to_json(store) from store' | npx soma import - --from langgraph
  $ npx soma import memory.jsonl --from mcp --user ada`

export function addImport(program: Command): void {
  program
    .command('import <file>')
    .description('store the lines of an export, or the file of another system; - reads stdin')
    .addOption(new Option('--from <system>', 'where the file comes from').choices(['soma', ...Object.keys(converters)]).default('soma'))
    .option('--namespace <name>', 'put them there, whatever the file says')
    .option('--user <id>', 'they belong to this user; with --from mem0 where the file names none')
    .option('--background', 'as an operation: the file is sent in parts, and stored without this command')
    .addHelpText('after', examples)
    .action(async (file: string, _options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { background, from, namespace, user } = options
      if (background && (file === '-' || from !== 'soma' || namespace !== undefined || user !== undefined))
        throw new CommandError('usage', '--background takes the file of an export as it is: without --from, --namespace and --user, and not stdin.')
      await connected(options, async (connection) => {
        const { client, local } = connection
        const report = background ? await importByParts(connection, file, options) : await importFile(client, file, options)
        // no server goes on after this process, so what was stored is indexed before it ends
        if (local && report.imported > 0) await drained((signal) => local.runJob('drain-outbox', signal), report.imported, options)
        summarize(options, report)
      })
    })
}

type Summary = ImportReport & { hash: string }

async function importFile(client: Client, file: string, options: Options): Promise<Summary> {
  const hash = contentHash()
  const report: ImportReport = { lines: 0, imported: 0, versions: 0, links: 0, duplicate: 0, failed: 0, errors: [], more_errors: 0 }
  const size = file === '-' ? undefined : sizeOf(file)
  const progress = showProgress(options, { label: 'Importing', unit: 'bytes', total: size })
  let read = 0
  const counted = async function* (bytes: AsyncIterable<Uint8Array>) {
    for await (const chunk of bytes) {
      read += chunk.byteLength
      yield chunk
    }
  }
  let batch: { record: number; text: string }[] = []
  let bytes = 0
  async function send(): Promise<void> {
    const sent = batch
    batch = []
    bytes = 0
    const first = sent[0]
    if (!first) return
    const part = await client.import(sent.map((line) => `${line.text}\n`).join('')).catch((error: Error & { code?: string }) => {
      throw new CommandError(error.code ?? 'failed', `${error.message} What stands before line ${first.record} is stored; run it again, and it goes on from there.`, error)
    })
    merge(report, part, (line) => sent[line - 1]?.record ?? 0)
    progress.report(read)
  }
  try {
    for await (const line of outgoing(counted(file === '-' ? process.stdin : createReadStream(file)), options)) {
      if ('problem' in line) {
        report.lines += 1
        report.failed += 1
        report.errors.push({ line: line.record, code: 'malformed', detail: `It ${line.problem}.` })
        continue
      }
      const value = parsed(line.text)
      if (value) hash.add(value)
      batch.push(line)
      bytes += line.text.length
      if ((batch.length >= most.lines || bytes >= most.bytes) && !line.holds) await send()
    }
    await send()
  } finally {
    progress.end()
  }
  const errors = report.errors.toSorted((a, b) => a.line - b.line).slice(0, listed)
  return { ...report, errors, more_errors: report.failed - errors.length, hash: hash.digest().hash }
}

function sizeOf(file: string): number {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found) throw new CommandError('not_found', `There is no file ${file}.`)
  if (found.isDirectory()) throw new CommandError('usage', `${file} is a directory: name a file of it.`)
  return found.size
}

async function* outgoing(bytes: AsyncIterable<Uint8Array>, { from, namespace, user }: Options): AsyncGenerator<Outgoing> {
  if (from === 'soma') {
    // a line that is too long is sent shortened, so that the server says what is wrong with it
    for await (const raw of readLines(bytes)) {
      if ('problem' in raw) yield { record: raw.line, problem: raw.problem === 'encoding' ? 'is not UTF-8' : 'is longer than 2 MiB' }
      else yield { record: raw.line, ...placed(raw.text, namespace, user) }
    }
    return
  }
  for await (const converted of convertFile(from, readLines(bytes, longestDocument), { namespace, user_id: user })) {
    if ('problem' in converted) yield converted
    else for (const line of converted.lines) yield { record: converted.record, text: JSON.stringify(line), holds: false }
  }
}

/** A line of ours, in another namespace or for another user where that is asked for; `holds` when its memory comes after it. */
function placed(text: string, namespace: string | undefined, user: string | undefined): { text: string; holds: boolean } {
  const value = parsed(text)
  const holds = value?.kind === 'version'
  if (!value || value.kind === 'link' || (namespace === undefined && user === undefined)) return { text, holds }
  return { text: JSON.stringify({ ...value, ...(namespace === undefined ? {} : { namespace }), ...(user === undefined ? {} : { user_id: user }) }), holds }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function merge(into: ImportReport, part: ImportReport, recordOf: (line: number) => number): void {
  for (const name of ['lines', 'imported', 'versions', 'links', 'duplicate', 'failed'] as const) into[name] += part[name]
  if (into.errors.length < 10 * listed) into.errors.push(...part.errors.map((error) => ({ ...error, line: recordOf(error.line) })))
}

async function drained(run: (signal: AbortSignal) => Promise<{ done: number; remaining: boolean }>, total: number, options: Options): Promise<void> {
  const progress = showProgress(options, { label: 'Indexing', unit: 'memories', total })
  let done = 0
  try {
    for (let remaining = true; remaining; ) {
      const report = await run(AbortSignal.timeout(2_000))
      done += report.done
      remaining = report.remaining && report.done > 0
      progress.report(Math.min(done, total))
    }
  } catch (error) {
    remark(options, `It is stored, but indexing it failed: ${error instanceof Error ? error.message : String(error)}. \`soma drain\` tries again.`)
  } finally {
    progress.end()
  }
}

function summarize(options: Options, report: Summary): void {
  const { lines, imported, versions, links, duplicate, failed, errors, more_errors, hash } = report
  const n = numberText
  const counted = (number: number, one: string, many = `${one}s`) => `${n(number)} ${number === 1 ? one : many}`
  answer(
    options,
    report,
    `Imported ${counted(imported, 'memory', 'memories')}, ${counted(versions, 'version')} and ${counted(links, 'link')} of ${counted(lines, 'line')}; ${n(duplicate)} were here already, ${n(failed)} failed. ${failed > 0 ? 'Not all of the file is stored; its content' : 'Content'} hash ${hash}`,
  )
  for (const { line, detail } of errors) remark(options, `Line ${line}: ${detail}`)
  if (more_errors) remark(options, `… and ${n(more_errors)} more.`)
  if (failed > 0) process.exitCode = 1
}
