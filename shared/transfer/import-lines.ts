import { AppError } from '../problem/index.ts'
import { requireScope } from '../tenant/index.ts'
import { createBatches } from './batches.ts'
import { longestLine } from './line.ts'
import { type LineProblem, type Parsed, parseLine } from './parse-line.ts'
import type { KnownModels } from './prepare-line.ts'
import { type RawLine, readLines } from './read-lines.ts'
import { createTally, type ImportReport } from './report.ts'
import type { Writer } from './write-lines.ts'
import { createWriteQueue } from './write-queue.ts'

const unreadable = {
  too_long: { code: 'too_large', detail: `The line is longer than ${longestLine} bytes and was skipped.` },
  encoding: { code: 'malformed', detail: 'The line is not UTF-8.' },
} as const satisfies Record<string, LineProblem>

/** A line by its number: what it says, or why it cannot be taken. */
export type ReadLine = { line: number; parsed: Parsed; length: number }
export function readLine(raw: RawLine): ReadLine {
  if ('problem' in raw) return { line: raw.line, parsed: { kind: 'problem', problem: unreadable[raw.problem] }, length: 0 }
  return { line: raw.line, parsed: parseLine(raw.text), length: raw.text.length }
}

/**
 * Stores what an export wrote: NDJSON of any length, in constant memory. Each line stands for itself and is stored, known already, or named in the report;
 * what is stored keeps its id, version and times. Doing it again changes nothing.
 * @throws AppError forbidden; invalid when no line could be read at all; what ends an import midway is safe to repeat
 */
export async function importLines(writer: Writer, body: AsyncIterable<Uint8Array>, models: KnownModels): Promise<ImportReport> {
  requireScope(writer, 'memory:write')
  const { report, readable } = await storeLines(writer, parsedLines(refuseOtherFormats(body)), models)
  if (!readable) refuseUnreadable(report)
  return report
}

async function* parsedLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<ReadLine> {
  for await (const raw of readLines(body)) yield readLine(raw)
}

/** Stores lines that were read; `readable` when at least one of them was JSON. @throws AppError for what is not about one line */
export async function storeLines(writer: Writer, lines: AsyncIterable<ReadLine> | Iterable<ReadLine>, models: KnownModels): Promise<{ report: ImportReport; readable: boolean }> {
  const tally = createTally()
  const batches = createBatches(createWriteQueue(writer, tally), tally, models)
  let readable = false
  try {
    for await (const { line, parsed, length } of lines) {
      tally.line()
      readable ||= parsed.kind !== 'problem' || !['malformed', 'too_large'].includes(parsed.problem.code)
      if (parsed.kind === 'problem') tally.fail(line, parsed.problem)
      else if (parsed.kind === 'link') await batches.link(line, parsed.line)
      else if (parsed.kind === 'memory') await batches.memory(line, parsed.line, length)
      else if (!writer.scopes.has('memory:history')) tally.fail(line, { code: 'forbidden', detail: 'A version needs a credential with the scope memory:history.' })
      else await batches.version(line, parsed.line, length)
    }
    await batches.end()
  } catch (error) {
    // what broke it off is what the caller hears of, also when taking back fails
    await Promise.allSettled([batches.abandon()])
    throw error
  }
  return { report: tally.report(), readable }
}

/** The first bytes of files that people take for NDJSON: UTF-16, gzip, zip. Refused at once, and not after gigabytes of lines that cannot be read. */
const otherFormats: [number[], string][] = [
  [[0xff, 0xfe], 'UTF-16'],
  [[0xfe, 0xff], 'UTF-16'],
  [[0x1f, 0x8b], 'gzip'],
  [[0x50, 0x4b, 0x03, 0x04], 'a zip archive'],
]
/** @throws AppError invalid */
export async function* refuseOtherFormats(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let first = true
  for await (const chunk of body) {
    const other = first && otherFormats.find(([bytes]) => bytes.every((byte, i) => chunk[i] === byte))
    if (other) throw new AppError('invalid', `The body is ${other[1]}: send NDJSON in UTF-8, one line a memory.`)
    first = false
    yield chunk
  }
}

/** Of lines none of which was JSON. @throws AppError invalid, unless there are none */
export function refuseUnreadable({ lines, errors: [first] }: ImportReport): void {
  if (lines > 0) throw new AppError('invalid', `No line of the body could be read. Line ${first?.line}: ${first?.detail} Send NDJSON in UTF-8, one line a memory.`)
}
