import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, idempotencyKey, queryOf, readJson } from '../../shared/http/index.ts'
import { listOutbox, outboxSummary, purgeOutbox, replayOutbox } from '../../shared/outbox/index.ts'
import type { OutboxDeps } from './deps.ts'

const bodyBytes = 64 * 1024

/** The operators' surface of the outbox: what waits, what is dead and why; replay and purge. A replay wakes the drain. */
export function createOutbox(deps: OutboxDeps): HttpHandler {
  const app = createApp('outbox', deps)
  app.get('/v1/outbox', async (c) => c.json(await listOutbox(await contextOf(c, deps), queryOf(c, ['tenant', 'status', 'topic', 'type', 'older_than', 'limit', 'cursor']))))
  app.get('/v1/outbox/summary', async (c) => c.json(await outboxSummary(await contextOf(c, deps), queryOf(c, ['tenant', 'cursor']))))
  app.post('/v1/outbox/replay', async (c) => {
    const { replayed, body } = await replayOutbox(await contextOf(c, deps), await readJson(c.req.raw, bodyBytes), idempotencyKey(c))
    if ('replayed' in body && body.replayed > 0) deps.wakeDrain()
    if (replayed) c.header('idempotent-replayed', 'true')
    return c.json(body)
  })
  app.post('/v1/outbox/purge', async (c) => {
    const { replayed, body } = await purgeOutbox(await contextOf(c, deps), await readJson(c.req.raw, bodyBytes), idempotencyKey(c))
    if (replayed) c.header('idempotent-replayed', 'true')
    return c.json(body)
  })
  return app
}
