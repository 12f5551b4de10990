import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, idempotencyKey, readJson, takeBatch } from '../../shared/http/index.ts'
import { announceImport, showOperation, startExport, startImport } from '../../shared/transfer/index.ts'
import type { TransfersDeps } from './deps.ts'

const mebibyte = 1024 * 1024

/** Begins exports and imports that go on after their answer, as operations: their bytes go by way of objects, so no request is long or large. */
export function createTransfers(deps: TransfersDeps): HttpHandler {
  const app = createApp('transfers', deps)

  app.post('/v1/exports', async (c) => {
    const ctx = await contextOf(c, deps)
    const body = await readJson(c.req.raw, mebibyte)
    const { operation, replayed } = await startExport(ctx, body, { store: deps.transfers, model: await deps.model(), key: idempotencyKey(c) })
    deps.wakeOperations()
    if (replayed) c.header('idempotent-replayed', 'true')
    return c.json(await showOperation(ctx, operation, deps.transfers), 202)
  })

  app.post('/v1/imports', async (c) => {
    const ctx = await contextOf(c, deps)
    await takeBatch(c, deps, ctx)
    const { operation, replayed } = await announceImport(ctx, await readJson(c.req.raw, mebibyte), { store: deps.transfers, key: idempotencyKey(c) })
    if (replayed) c.header('idempotent-replayed', 'true')
    return c.json(await showOperation(ctx, operation, deps.transfers), 202)
  })

  app.post('/v1/imports/:id/start', async (c) => {
    const ctx = await contextOf(c, deps)
    const id = c.req.param('id')
    await startImport(ctx, id, deps.transfers)
    deps.wakeOperations()
    return c.json(await showOperation(ctx, id, deps.transfers), 202)
  })

  return app
}
