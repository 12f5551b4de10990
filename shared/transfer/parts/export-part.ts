import { createHash } from 'node:crypto'
import type { Lease } from '../../operation/index.ts'
import { type ContentHash, contentHash } from '../content-hash.ts'
import type { Model } from '../export-pages.ts'
import type { ExportQuery } from '../export-query.ts'
import { type Place, type Source, walk } from '../export-walk.ts'
import type { TransferLimits } from './objects.ts'

/** What was read of an export: at most `partBytes`, or one line; `place` is behind it, and `ended` where nothing follows. */
export type ReadPart = { lines: Buffer[]; bytes: number; sha256: string; hash: ContentHash; place: Place; ended: boolean }
type From = { query: ExportQuery; place: Place; model: Model; hash: ContentHash }

/**
 * Reads the next part of an export. It ends behind a whole memory or link, so that each part can be imported by itself; only a memory whose versions are more than a part
 * is parted from some of them.
 */
export async function readPart(source: Source, { query, place: from, model, hash: before }: From, limits: TransferLimits, lease: Lease): Promise<ReadPart> {
  const until = Date.now() + limits.partMs
  const lines: Buffer[] = []
  let size = 0
  let place = from
  let whole = { count: 0, bytes: 0, place: from }
  for await (const page of walk(source, query, from, model)) {
    for (const line of page.lines) {
      const text = Buffer.from(line.text)
      if (lines.length && size + text.length > limits.partBytes) return cut()
      lines.push(text)
      size += text.length
      place = line.place
      if (line.whole) whole = { count: lines.length, bytes: size, place }
    }
    place = page.place
    // behind a page of which the last line is whole, or that had none while nothing is waiting for its memory
    if (whole.count === lines.length) whole.place = place
    if (Date.now() >= until) return cut()
    await lease.renew()
  }
  return part(lines, size, place, true)

  function cut(): ReadPart {
    return whole.count || !lines.length ? part(lines.slice(0, whole.count), whole.bytes, whole.place, false) : part(lines, size, place, false)
  }

  function part(taken: Buffer[], bytes: number, behind: Place, ended: boolean): ReadPart {
    const sha256 = createHash('sha256')
    const sum = contentHash(before)
    for (const line of taken) {
      sha256.update(line)
      sum.add(JSON.parse(line.toString()))
    }
    return { lines: taken, bytes, sha256: sha256.digest('hex'), hash: sum.digest(), place: behind, ended }
  }
}
