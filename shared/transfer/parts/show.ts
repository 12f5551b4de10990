import type { Allowed, BlobStore } from '../../blob/index.ts'
import { findOperation, type OperationOut, type OperationPart } from '../../operation/index.ts'
import { AppError } from '../../problem/index.ts'
import { assertUnlimited, type Ctx, requireScope } from '../../tenant/index.ts'
import type { ExportPosition } from './export-work.ts'
import type { ImportPosition } from './import-work.ts'
import { folderOf, routeOf, type Store, uploadOf, urlSeconds } from './objects.ts'

/**
 * How far an operation is; of an export or import with its parts, and URLs for what the caller may do with them. A URL without a host is a path of this API.
 * @throws AppError forbidden, not_found
 */
export async function showOperation(ctx: Ctx, id: string, store: Store): Promise<OperationOut> {
  // without memory:read there is nothing to know, but for imports
  if (!ctx.scopes.has('memory:write')) requireScope(ctx, 'memory:read')
  const { shown, position, objectsUntil, actor } = await findOperation(ctx, id).catch((error) => {
    requireScope(ctx, 'memory:read')
    throw error
  })
  // what somebody else has begun may be of any part of the tenant
  if (actor !== ctx.actor) assertUnlimited(ctx)
  if (shown.kind !== 'import') requireScope(ctx, 'memory:read')
  if (shown.kind !== 'export' && shown.kind !== 'import') return shown
  const { kind } = shown
  const now = Date.now()
  const there = objectsUntil !== null && (kind === 'export' || shown.state === 'waiting') ? await ways() : undefined
  const parts = kind === 'export' ? exported(position as ExportPosition) : uploads(position as ImportPosition)
  return { ...shown, parts: await Promise.all(parts), parts_until: objectsUntil?.toISOString() ?? null }

  function exported({ parts = [], versions }: ExportPosition): Promise<OperationPart>[] {
    const may = !versions || ctx.scopes.has('memory:history')
    return parts.map(async ({ object, ...rest }, index): Promise<OperationPart> => {
      const way = await url(may, `${folderOf(ctx.tenantId, id)}/${object}`, index + 1, { method: 'GET', seconds: urlSeconds })
      return { part: index + 1, ...rest, method: 'GET', ...way }
    })
  }

  function uploads({ bytes: sizes = [] }: ImportPosition): Promise<OperationPart>[] {
    return sizes.map(async (bytes, index): Promise<OperationPart> => {
      const way = await url(ctx.scopes.has('memory:write'), uploadOf(ctx.tenantId, id, index + 1), index + 1, { method: 'PUT', seconds: urlSeconds, bytes })
      return { part: index + 1, bytes, method: 'PUT', ...way }
    })
  }

  async function url(may: boolean, key: string, part: number, allowed: Allowed): Promise<Pick<OperationPart, 'url' | 'url_expires_at'>> {
    if (!may || !there) return { url: null, url_expires_at: null }
    if (!there.urlOf) return { url: routeOf(kind as 'export' | 'import', id, part), url_expires_at: null }
    return { url: await there.urlOf(key, allowed), url_expires_at: new Date(now + urlSeconds * 1000).toISOString() }
  }

  /** The state is told also where the objects cannot be reached. */
  async function ways(): Promise<BlobStore | undefined> {
    return store().catch((error) => {
      if (error instanceof AppError && error.code === 'unavailable') return undefined
      throw error
    })
  }
}
