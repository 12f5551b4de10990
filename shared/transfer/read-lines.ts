import { longestLine } from './line.ts'

/** A line of a file by its number, from 1: its text, or why it could not be read. */
export type RawLine = { line: number; text: string } | { line: number; problem: 'too_long' | 'encoding' }

/** How far lines were read: with their ends, and with empty ones. */
export type Reached = { bytes: number; lines: number }

const newline = 0x0a
/**
 * Splits bytes into lines, none of them empty. Keeps at most one line in memory: what is longer than `longest` bytes is skipped up to its end. `reached` is always behind
 * the line that was given last, and at the end behind everything.
 */
export async function* readLines(bytes: AsyncIterable<Uint8Array>, longest = longestLine, reached: Reached = { bytes: 0, lines: 0 }): AsyncGenerator<RawLine> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let line = 0
  let parts: Uint8Array[] = []
  let size = 0

  /** `end` is 1 for a line that has its newline. */
  function take(end: 0 | 1): RawLine | undefined {
    line += 1
    reached.lines += 1
    reached.bytes += size + end
    const whole = parts.length === 1 ? parts[0] : Buffer.concat(parts)
    const length = size
    parts = []
    size = 0
    if (length > longest) return { line, problem: 'too_long' }
    try {
      const text = decoder.decode(whole)
      return text.trim() === '' ? undefined : { line, text }
    } catch {
      return { line, problem: 'encoding' }
    }
  }
  /** Copied where it outlives its chunk, whose memory may be used again by whoever gave it; what is too long is not kept at all. */
  function keep(part: Uint8Array, copied: boolean): void {
    size += part.byteLength
    if (size > longest) parts = []
    else if (part.byteLength) parts.push(copied ? Uint8Array.prototype.slice.call(part) : part)
  }

  for await (const chunk of bytes) {
    let from = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, from)) {
      keep(chunk.subarray(from, end), false)
      const taken = take(1)
      if (taken) yield taken
      from = end + 1
    }
    if (from < chunk.byteLength) keep(chunk.subarray(from), true)
  }
  if (size > 0) {
    const taken = take(0)
    if (taken) yield taken
  }
}
