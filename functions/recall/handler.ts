import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, readJson } from '../../shared/http/index.ts'
import { recall } from '../../shared/recall/index.ts'
import type { RecallHandlerDeps } from './deps.ts'

const mebibyte = 1024 * 1024

/** Finds memories. It reads snapshots and writes nothing. */
export function createRecall(deps: RecallHandlerDeps): HttpHandler {
  const app = createApp('recall', deps)

  app.post('/v1/recall', async (c) => {
    const ctx = await contextOf(c, deps)
    const body = await readJson(c.req.raw, mebibyte)
    return c.json(await recall(ctx, deps.recall, body))
  })

  return app
}
