import * as z from 'zod'
import { type Call, finishedCall, recordCall, requestHash } from '../../memory/index.ts'
import { createOperation, findOperation } from '../../operation/index.ts'
import { AppError } from '../../problem/index.ts'
import { appendAudit, type Ctx, requireScope } from '../../tenant/index.ts'
import type { ImportPosition, ImportRequest } from './import-work.ts'
import { folderOf, keptSeconds, mostParts, type Store, transferLimits, uploadOf } from './objects.ts'
import { refuseMany } from './open.ts'
import type { Started } from './start-export.ts'

/** What will be uploaded, in the order in which it is read. */
export const ImportStartIn = z.strictObject({
  parts: z
    .array(z.strictObject({ bytes: z.number().int().min(1).max(transferLimits.partBytes).meta({ description: 'its size, exactly' }) }))
    .min(1)
    .max(mostParts),
})

/** Announces what will be uploaded; the operation waits for it. @throws AppError forbidden, invalid; conflict when too many are under way; unavailable where no objects can be kept */
export async function announceImport(ctx: Ctx, body: unknown, { store, key }: { store: Store; key: string | undefined }): Promise<Started> {
  requireScope(ctx, 'memory:write')
  const { parts } = ImportStartIn.parse(body)
  await store()
  const call: Call = { key, hash: requestHash('import', body) }
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    const finished = await finishedCall(tx, ctx, call)
    if (finished) return { ...(finished.result as { operation: string }), replayed: true }
    await refuseMany(tx, ctx, 'import')
    const request: Omit<ImportRequest, 'request_id'> = { scopes: (['memory:write', 'memory:history'] as const).filter((scope) => ctx.scopes.has(scope)) }
    const position: ImportPosition = { bytes: parts.map(({ bytes }) => bytes), place: { part: 0, byte: 0, line: 0 }, readable: false }
    const operation = await createOperation(tx, ctx, 'import', request, { state: 'waiting', position, keepSeconds: keptSeconds })
    await appendAudit(tx, ctx, 'import.announce', operation, { parts: parts.length, bytes: position.bytes.reduce((sum, bytes) => sum + bytes, 0) })
    await recordCall(tx, ctx, call, 202, { operation })
    return { operation, replayed: false }
  })
}

/** Starts an import whose parts are all there; one that was started goes on. @throws AppError forbidden, not_found; conflict while parts are missing, or of another size */
export async function startImport(ctx: Ctx, id: string, store: Store): Promise<void> {
  const { position, shown } = await importOf(ctx, id)
  if (shown.state !== 'waiting') return
  const there = new Map((await (await store()).list(folderOf(ctx.tenantId, id))).map(({ key, bytes }) => [key, bytes]))
  const errors = position.bytes.flatMap((bytes, index) => {
    const found = there.get(uploadOf(ctx.tenantId, id, index + 1))
    if (found === bytes) return []
    return [{ pointer: `/parts/${index}`, detail: found === undefined ? 'has not been uploaded' : `has ${found} bytes, and ${bytes} were announced` }]
  })
  if (errors.length) throw new AppError('conflict', `${errors.length} of ${position.bytes.length} parts are not there as they were announced.`, { errors: errors.slice(0, 100) })
  await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    const started = await tx.query(
      `update operations o set state = 'pending', updated_at = now(), objects_until = now() + make_interval(secs => ${keptSeconds})
       where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.state = 'waiting' and o.objects_until > now() returning 1`,
      [ctx.tenantId, id],
    )
    if (started.length) await appendAudit(tx, ctx, 'import.start', id)
  })
}

/** @throws AppError forbidden; not_found when there is no import with this id */
export async function importOf(ctx: Ctx, id: string) {
  requireScope(ctx, 'memory:write')
  const { position, ...found } = await findOperation(ctx, id)
  if (found.shown.kind !== 'import') throw new AppError('not_found', 'There is no import with this id.')
  return { ...found, position: position as ImportPosition }
}
