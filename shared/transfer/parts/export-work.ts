import type { Database } from '../../db/index.ts'
import type { Lease, Work } from '../../operation/index.ts'
import { AppError } from '../../problem/index.ts'
import { assertStanding } from '../../tenant/index.ts'
import type { ContentHash } from '../content-hash.ts'
import type { Model } from '../export-pages.ts'
import type { ExportQuery } from '../export-query.ts'
import type { Place } from '../export-walk.ts'
import { readPart } from './export-part.ts'
import { folderOf, keptSeconds, mostParts, type Store, type TransferLimits, type WrittenPart } from './objects.ts'

/** What an export was asked for; keys from `first` to `last` were there when it began, which is how its progress is known. */
export type ExportRequest = { query: ExportQuery; model: Model; first: string; last: string }
export type ExportPosition = { place: Place; parts: WrittenPart[]; hash: ContentHash; versions: boolean }
export type ExportResult = { lines: number; bytes: number; parts: number; hash: string }

const linesAtOnce = 1_000

/**
 * The next object of an export: read, stored as a whole under a name of this run alone, and then recorded with where to go on. A run that dies leaves an object that nobody
 * refers to; the next one reads from the same place.
 */
export function exportWork({ worker, store, limits }: { worker: Database; store: Store; limits: TransferLimits }): Work {
  return async (step, lease) => {
    const { tenantId, actor, id } = step
    const { query, model, ...range } = step.request as ExportRequest & Record<string, unknown>
    const position = step.position as ExportPosition
    const { parts, versions } = position
    await assertStanding(worker, { tenantId, actor }, new Date().toISOString(), 'memory:read', 'soma_worker')
    const source = { tenantId, read: <T>(work: Parameters<typeof worker.transaction<T>>[1]) => worker.transaction<T>({ role: 'soma_worker', tenantId, readOnly: true }, work) }
    const read = await readPart(source, { query, model, ...position }, limits, lease)
    const written = [...parts]
    if (read.lines.length) {
      if (parts.length >= mostParts) throw new AppError('too_large', `The export is larger than ${mostParts} parts: export a namespace or a user at a time, or use GET /v1/export.`)
      const object = `${parts.length + 1}.${lease.id}.ndjson`
      await (await store()).put(`${folderOf(tenantId, id)}/${object}`, pieces(read.lines, lease))
      written.push({ object, bytes: read.bytes, lines: read.lines.length, sha256: read.sha256 })
    }
    const result: ExportResult = { lines: read.hash.lines, bytes: written.reduce((sum, { bytes }) => sum + bytes, 0), parts: written.length, hash: read.hash.hash }
    const after: ExportPosition = { place: read.place, parts: written, hash: read.hash, versions }
    return async () => ({ progress: read.ended ? 1 : Math.max(step.progress, shareOf(read.place, range)), result, position: after, keepSeconds: keptSeconds })
  }
}

async function* pieces(lines: readonly Buffer[], lease: Lease): AsyncGenerator<Buffer> {
  for (let at = 0; at < lines.length; at += linesAtOnce) {
    await lease.renew()
    yield Buffer.concat(lines.slice(at, at + linesAtOnce))
  }
}

/** Keys grow with time, so how far one lies between the first and the last says how much is done, roughly. It is never all until the end. */
function shareOf(place: Place, { first, last }: Pick<ExportRequest, 'first' | 'last'>): number {
  if ('link' in place) return 0.99
  const share = Number(BigInt(place.memory) - BigInt(first)) / Math.max(1, Number(BigInt(last) - BigInt(first)))
  return Math.min(0.99, Math.max(0, share))
}
