import { invalidField } from '../problem/index.ts'
import { appendAudit, assertUnlimited, assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import { type Model, placeOf } from './export-pages.ts'
import { ExportIn, type ExportQuery } from './export-query.ts'
import { beginning, type Place, type Source, walk } from './export-walk.ts'

const anyKey = '9223372036854775807'

/**
 * The open memories of a scope that have not expired, as NDJSON in the order of their storing; then, when asked for, the links between them. Each page is a
 * short transaction: the database holds no old snapshot, however slow the reader, and what is forgotten meanwhile is in no page that follows.
 * @throws AppError forbidden; invalid, also for a cursor that names nothing: all before the first line
 */
export async function exportLines(ctx: Ctx, query: Record<string, string | undefined>, model: Model): Promise<AsyncGenerator<string, void>> {
  const wanted = ExportIn.parse(query)
  requireExport(ctx, wanted)
  const from = await placeFrom(ctx, wanted)
  await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, (tx) => appendAudit(tx, ctx, 'export.stream', null, wanted))
  return linesFrom(readerOf(ctx), wanted, from, model)
}

type Asked = Pick<ExportQuery, 'versions' | 'namespace' | 'all_namespaces' | 'user_id'>
/** @throws AppError forbidden */
export function requireExport(ctx: Ctx, { versions, namespace = 'default', all_namespaces: all, user_id }: Asked): void {
  requireScope(ctx, 'memory:read')
  if (versions) requireScope(ctx, 'memory:history')
  if (all) assertUnlimited(ctx)
  // a closed version may be of another user than the open one: what is of one user cannot be told apart
  else assertWithin(ctx, versions ? { namespace } : { namespace, user_id })
}

/** @throws AppError invalid for a cursor that names nothing */
export async function placeFrom(ctx: Ctx, { cursor }: ExportQuery): Promise<Place> {
  if (cursor === undefined) return beginning
  const place = await readerOf(ctx).read((tx) => placeOf(tx, ctx.tenantId, cursor))
  if (!place) throw invalidField('/cursor', 'names no memory or link that was ever here; begin again without it')
  return 'memoryKey' in place ? { memory: place.memoryKey } : { link: place.linkId, last: anyKey }
}

const readerOf = ({ app, tenantId }: Ctx): Source => ({ tenantId, read: (work) => app.transaction({ role: 'soma_app', tenantId, readOnly: true }, work) })

async function* linesFrom(source: Source, query: ExportQuery, from: Place, model: Model): AsyncGenerator<string, void> {
  for await (const { lines } of walk(source, query, from, model)) if (lines.length) yield lines.map(({ text }) => text).join('')
}
