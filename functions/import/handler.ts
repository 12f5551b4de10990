import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, takeBatch } from '../../shared/http/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import { requireScope } from '../../shared/tenant/index.ts'
import { importLines, takePart } from '../../shared/transfer/index.ts'
import type { ImportDeps } from './deps.ts'

/** Reads NDJSON of any length and stores each line for itself, and the drain is woken when it ends, however it ends; or keeps it for an import that was announced. */
export function createImport(deps: ImportDeps): HttpHandler {
  const app = createApp('import', deps)

  app.post('/v1/import', async (c) => {
    const ctx = await contextOf(c, deps, { streams: true })
    requireScope(ctx, 'memory:write')
    requireNdjson(c.req.header('content-type'))
    await takeBatch(c, deps, ctx)
    const models = await deps.models()
    try {
      return c.json(await importLines(ctx, c.req.raw.body ?? ReadableStream.from([]), models))
    } finally {
      deps.wakeDrain()
    }
  })

  app.put('/v1/imports/:id/parts/:part', async (c) => {
    const ctx = await contextOf(c, deps, { streams: true })
    requireScope(ctx, 'memory:write')
    requireNdjson(c.req.header('content-type'))
    await takePart(ctx, c.req.param('id'), c.req.param('part'), c.req.raw.body ?? ReadableStream.from([]), deps.transfers)
    return c.body(null, 204)
  })

  return app
}

/** @throws AppError unsupported_media_type */
function requireNdjson(type = ''): void {
  if (!/^application\/x-ndjson\b/i.test(type)) throw new AppError('unsupported_media_type', 'Send one JSON object a line with "Content-Type: application/x-ndjson".')
}
