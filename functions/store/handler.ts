import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, idempotencyKey, readJson, takeBatch } from '../../shared/http/index.ts'
import { storeMemories, storeMemory, uuidv7 } from '../../shared/memory/index.ts'
import { observeWrite } from '../../shared/telemetry/index.ts'
import type { StoreDeps } from './deps.ts'
import { journalOf } from './journal.ts'

const mebibyte = 1024 * 1024

/** Stores memories; after the commit it wakes the drain, so that what was stored is indexed within moments. */
export function createStore(deps: StoreDeps): HttpHandler {
  const app = createApp('store', deps)

  app.post('/v1/memories', async (c) => {
    const journal = journalOf(c, deps)
    const { ctx, unreachable } = await journal.caller()
    const body = await readJson(c.req.raw, 5 * mebibyte)
    const key = idempotencyKey(c)
    // the same id by either way: a store whose answer was lost is found again when the journal is replayed
    const given = { id: uuidv7(), at: new Date() }
    if (unreachable) return journal.accept(ctx, body, key, given, unreachable)
    try {
      const stored = await observeWrite(deps.metrics, 'store', () => storeMemory(ctx, body, key, given))
      deps.wakeDrain()
      c.header('etag', `"${stored.memory.version}"`)
      if (stored.replayed) c.header('idempotent-replayed', 'true')
      return c.json(stored.memory, stored.status as 200 | 201)
    } catch (error) {
      return journal.accept(ctx, body, key, given, error)
    }
  })

  app.post('/v1/memories/bulk', async (c) => {
    const ctx = await contextOf(c, deps)
    await takeBatch(c, deps, ctx)
    const body = await readJson(c.req.raw, 5 * mebibyte)
    const stored = await observeWrite(deps.metrics, 'store_bulk', () => storeMemories(ctx, body, idempotencyKey(c)))
    deps.wakeDrain()
    if (stored.replayed) c.header('idempotent-replayed', 'true')
    return c.json(stored.body)
  })

  return app
}
