import { AppError } from '../problem/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { createBatches } from './batches.ts'
import { longestLine } from './line.ts'
import { type LineProblem, parseLine } from './parse-line.ts'
import type { KnownModels } from './prepare-line.ts'
import { readLines } from './read-lines.ts'
import { createTally, type ImportReport } from './report.ts'
import { createWriteQueue } from './write-queue.ts'

const unreadable = {
  too_long: { code: 'too_large', detail: `The line is longer than ${longestLine} bytes and was skipped.` },
  encoding: { code: 'malformed', detail: 'The line is not UTF-8.' },
} as const satisfies Record<string, LineProblem>

/**
 * Stores what an export wrote: NDJSON of any length, in constant memory. Each line stands for itself and is stored, known already, or named in the report;
 * what is stored keeps its id, version and times. Doing it again changes nothing.
 * @throws AppError forbidden; invalid when no line could be read at all; what ends an import midway is safe to repeat
 */
export async function importLines(ctx: Ctx, body: AsyncIterable<Uint8Array>, models: KnownModels): Promise<ImportReport> {
  requireScope(ctx, 'memory:write')
  const tally = createTally()
  const batches = createBatches(createWriteQueue(ctx, tally), tally, models)
  let readable = false
  try {
    for await (const raw of readLines(refuseOtherFormats(body))) {
      tally.line()
      if ('problem' in raw) {
        tally.fail(raw.line, unreadable[raw.problem])
        continue
      }
      const { line, text } = raw
      const parsed = parseLine(text)
      readable ||= parsed.kind !== 'problem' || parsed.problem.code !== 'malformed'
      if (parsed.kind === 'problem') tally.fail(line, parsed.problem)
      else if (parsed.kind === 'link') await batches.link(line, parsed.line)
      else if (parsed.kind === 'memory') await batches.memory(line, parsed.line, text.length)
      else if (!ctx.scopes.has('memory:history')) tally.fail(line, { code: 'forbidden', detail: 'A version needs a credential with the scope memory:history.' })
      else await batches.version(line, parsed.line, text.length)
    }
    await batches.end()
  } catch (error) {
    // what broke it off is what the caller hears of, also when taking back fails
    await Promise.allSettled([batches.abandon()])
    throw error
  }
  const report = tally.report()
  if (report.lines > 0 && !readable) throw nothingRead(report)
  return report
}

/** The first bytes of files that people take for NDJSON: UTF-16, gzip, zip. Refused at once, and not after gigabytes of lines that cannot be read. */
const otherFormats: [number[], string][] = [
  [[0xff, 0xfe], 'UTF-16'],
  [[0xfe, 0xff], 'UTF-16'],
  [[0x1f, 0x8b], 'gzip'],
  [[0x50, 0x4b, 0x03, 0x04], 'a zip archive'],
]
async function* refuseOtherFormats(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let first = true
  for await (const chunk of body) {
    const other = first && otherFormats.find(([bytes]) => bytes.every((byte, i) => chunk[i] === byte))
    if (other) throw new AppError('invalid', `The body is ${other[1]}: send NDJSON in UTF-8, one line a memory.`)
    first = false
    yield chunk
  }
}

function nothingRead({ errors }: ImportReport): AppError {
  const [first] = errors
  return new AppError('invalid', `No line of the body could be read. Line ${first?.line}: ${first?.detail} Send NDJSON in UTF-8, one line a memory.`)
}
