import * as z from 'zod'
import { type Call, finishedCall, Namespace, parts, recordCall, requestHash, Uuid } from '../../memory/index.ts'
import { createOperation } from '../../operation/index.ts'
import { appendAudit, type Ctx } from '../../tenant/index.ts'
import { placeFrom, requireExport } from '../export-lines.ts'
import type { Model } from '../export-pages.ts'
import { oneScope } from '../export-query.ts'
import type { ExportPosition, ExportRequest } from './export-work.ts'
import { keptSeconds, type Store } from './objects.ts'
import { refuseMany } from './open.ts'

/** The query of GET /v1/export, as a body. */
export const ExportStartIn = z
  .strictObject({
    namespace: Namespace.optional(),
    all_namespaces: z.boolean().default(false),
    user_id: parts.Id.optional(),
    versions: z.boolean().default(false).meta({ description: 'the closed versions too, each before its memory (needs memory:history)' }),
    links: z.boolean().default(false).meta({ description: 'the links between what is exported, at the end' }),
    vectors: z.boolean().default(false),
    cursor: Uuid.optional().meta({ description: 'the id of a memory or link: what comes after it' }),
  })
  .refine(...oneScope)

export type Started = { operation: string; replayed: boolean }

/** Begins an export that goes on after its answer. @throws AppError forbidden, invalid; conflict when too many are under way; unavailable where no objects can be kept */
export async function startExport(ctx: Ctx, body: unknown, { store, model, key }: { store: Store; model: Model; key: string | undefined }): Promise<Started> {
  const query = ExportStartIn.parse(body)
  requireExport(ctx, query)
  await store()
  const place = await placeFrom(ctx, query)
  const call: Call = { key, hash: requestHash('export', body) }
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    const finished = await finishedCall(tx, ctx, call)
    if (finished) return { ...(finished.result as { operation: string }), replayed: true }
    await refuseMany(tx, ctx, 'export')
    const [keys] = await tx.query<{ last: string | null }>('select max(m.memory_key) as last from memories m where m.tenant_id = $1::integer', [ctx.tenantId])
    const [low] = await tx.query<{ first: string | null }>('select min(m.memory_key) as first from memories m where m.tenant_id = $1::integer', [ctx.tenantId])
    const request: ExportRequest = { query, model, first: low?.first ?? '0', last: keys?.last ?? '0' }
    const position: ExportPosition = { place, parts: [], hash: { lines: 0, hash: '0' }, versions: query.versions }
    const operation = await createOperation(tx, ctx, 'export', request, { position, keepSeconds: keptSeconds })
    await appendAudit(tx, ctx, 'export.start', operation, query)
    await recordCall(tx, ctx, call, 202, { operation })
    return { operation, replayed: false }
  })
}
