import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, idempotencyKey, queryOf, readJson } from '../../shared/http/index.ts'
import { createLink, deleteLink, neighbors, path } from '../../shared/link/index.ts'
import { observeWrite } from '../../shared/telemetry/index.ts'
import type { LinksDeps } from './deps.ts'

const mebibyte = 1024 * 1024

/** Links memories, and walks along the links; after a commit it wakes the drain. */
export function createLinks(deps: LinksDeps): HttpHandler {
  const app = createApp('links', deps)

  app.post('/v1/links', async (c) => {
    const ctx = await contextOf(c, deps)
    const body = await readJson(c.req.raw, mebibyte)
    const linked = await observeWrite(deps.metrics, 'link', () => createLink(ctx, body, idempotencyKey(c)))
    deps.wakeDrain()
    if (linked.replayed) c.header('idempotent-replayed', 'true')
    return c.json(linked.link, linked.status)
  })

  app.delete('/v1/links/:id', async (c) => {
    const ctx = await contextOf(c, deps)
    const unlinked = await observeWrite(deps.metrics, 'unlink', () => deleteLink(ctx, c.req.param('id'), idempotencyKey(c)))
    deps.wakeDrain()
    if (unlinked.replayed) c.header('idempotent-replayed', 'true')
    return c.body(null, 204)
  })

  app.get('/v1/memories/:id/neighbors', async (c) => {
    const ctx = await contextOf(c, deps)
    const query = withNumbers(queryOf(c, ['type', 'direction', 'hops', 'limit']), ['hops', 'limit'])
    return c.json(await neighbors(ctx, c.req.param('id'), query))
  })

  app.get('/v1/paths', async (c) => {
    const ctx = await contextOf(c, deps)
    return c.json(await path(ctx, withNumbers(queryOf(c, ['from', 'to', 'type', 'max_hops']), ['max_hops'])))
  })

  return app
}

/** Parameters that are whole numbers as numbers; what is none stays a text, which the schema refuses. */
function withNumbers(query: Record<string, string | undefined>, names: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, names.includes(name) && value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : value]))
}
