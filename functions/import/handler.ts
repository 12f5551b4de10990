import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, takeBatch } from '../../shared/http/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import { requireScope } from '../../shared/tenant/index.ts'
import { importLines } from '../../shared/transfer/index.ts'
import type { ImportDeps } from './deps.ts'

/** Reads NDJSON of any length and stores each line for itself; the drain is woken when it ends, however it ends. */
export function createImport(deps: ImportDeps): HttpHandler {
  const app = createApp('import', deps)

  app.post('/v1/import', async (c) => {
    const ctx = await contextOf(c, deps, { streams: true })
    requireScope(ctx, 'memory:write')
    if (!/^application\/x-ndjson\b/i.test(c.req.header('content-type') ?? ''))
      throw new AppError('unsupported_media_type', 'Send one JSON object a line with "Content-Type: application/x-ndjson".')
    await takeBatch(c, deps, ctx)
    const models = await deps.models()
    try {
      return c.json(await importLines(ctx, c.req.raw.body ?? ReadableStream.from([]), models))
    } finally {
      deps.wakeDrain()
    }
  })

  return app
}
