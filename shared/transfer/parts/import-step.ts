import type { BlobStore } from '../../blob/index.ts'
import { AppError } from '../../problem/index.ts'
import { type ReadLine, readLine, refuseOtherFormats } from '../import-lines.ts'
import { longestLine } from '../line.ts'
import { type Reached, readLines } from '../read-lines.ts'
import type { TransferLimits } from './objects.ts'

/** Where an import goes on: in which of its parts, from 0, behind which byte of that, and behind how many lines of all of them. */
export type ImportPlace = { part: number; byte: number; line: number }
/** The keys of the parts in order, with their sizes. */
export type Uploaded = { key: string; bytes: number }[]

/**
 * Reads lines for one step, numbered over all parts; the end of a part ends its line. Versions that wait for their memory are followed up to it, also into the next part.
 * @throws AppError invalid for what is no NDJSON; too_large where the versions of one memory are more than a transaction should hold
 */
export async function readStep(store: BlobStore, uploaded: Uploaded, from: ImportPlace, limits: TransferLimits): Promise<{ lines: ReadLine[]; place: ImportPlace }> {
  const lines: ReadLine[] = []
  let bytes = 0
  let waiting = false
  for (let part = from.part, byte = from.byte, before = from.line; ; part++, byte = 0) {
    const one = uploaded[part]
    if (!one) return { lines, place: { part, byte: 0, line: before } }
    const reached: Reached = { bytes: 0, lines: 0 }
    const content = byte < one.bytes ? store.get(one.key, byte) : nothing()
    for await (const raw of readLines(byte === 0 ? refuseOtherFormats(content) : content, longestLine, reached)) {
      const read = readLine({ ...raw, line: before + raw.line })
      lines.push(read)
      bytes += read.length
      if (read.parsed.kind !== 'problem') waiting = read.parsed.kind === 'version'
      if (lines.length < limits.stepLines && bytes < limits.stepBytes) continue
      if (!waiting) return { lines, place: { part, byte: byte + reached.bytes, line: before + reached.lines } }
      if (bytes >= limits.runBytes)
        throw new AppError('too_large', `Up to line ${read.line} the versions of one memory are more than ${limits.runBytes} bytes: import them by POST /v1/import, which streams.`)
    }
    before += reached.lines
  }
}

async function* nothing(): AsyncGenerator<Buffer> {}
