import { BlobMissing } from '../../blob/index.ts'
import { type Database, savepoints } from '../../db/index.ts'
import type { Work } from '../../operation/index.ts'
import { AppError } from '../../problem/index.ts'
import { assertStanding, type Scope } from '../../tenant/index.ts'
import { refuseUnreadable, storeLines } from '../import-lines.ts'
import type { KnownModels } from '../prepare-line.ts'
import { addReport, type ImportReport, noLines } from '../report.ts'
import { type ImportPlace, readStep } from './import-step.ts'
import { keptAfterImportSeconds, keptSeconds, type Store, type TransferLimits, uploadOf } from './objects.ts'

/** `scopes` are those of whoever announced it that matter to lines. */
export type ImportRequest = { scopes: Scope[]; request_id: string }
export type ImportPosition = { bytes: number[]; place: ImportPlace; readable: boolean }

/**
 * The next lines of an import. They are read before, and stored in the transaction that records how far it is: each line exactly once, whatever happens in between. A quota
 * that is used up ends it with what the steps before have stored.
 */
export function importWork({ worker, store, models, limits }: { worker: Database; store: Store; models: () => Promise<KnownModels>; limits: TransferLimits }): Work {
  return async (step) => {
    const { tenantId, actor, id } = step
    const { scopes, request_id: requestId } = step.request as ImportRequest & Record<string, unknown>
    const { bytes, place, readable } = step.position as ImportPosition
    await assertStanding(worker, { tenantId, actor }, new Date().toISOString(), 'memory:write', 'soma_worker')
    const uploaded = bytes.map((size, index) => ({ key: uploadOf(tenantId, id, index + 1), bytes: size }))
    const read = await readStep(await store(), uploaded, place, limits).catch((error) => {
      throw error instanceof BlobMissing ? new AppError('gone', 'A part that was uploaded is not there any more.', { cause: error }) : error
    })
    const known = await models()
    const ended = read.place.part >= bytes.length
    return async (tx) => {
      await tx.query(`select set_config('soma.draws_quota', 'true', true)`)
      const stored = await storeLines({ tenantId, actor, requestId, scopes: new Set(scopes), app: savepoints(tx) }, read.lines, known)
      const report = addReport({ ...noLines, ...(step.result as Partial<ImportReport>) }, stored.report)
      const position: ImportPosition = { bytes, place: read.place, readable: readable || stored.readable }
      if (ended && !position.readable) refuseUnreadable(report)
      return { progress: ended ? 1 : shareOf(read.place, bytes), result: report, position, keepSeconds: ended ? keptAfterImportSeconds : keptSeconds }
    }
  }
}

function shareOf({ part, byte }: ImportPlace, bytes: readonly number[]): number {
  const sum = (sizes: readonly number[]) => sizes.reduce((all, size) => all + size, 0)
  return Math.min(0.99, (sum(bytes.slice(0, part)) + byte) / Math.max(1, sum(bytes)))
}
