import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, idempotencyKey, ifMatch, queryOf, readJson } from '../../shared/http/index.ts'
import { forgetMatching, forgetMemory, getMemory, InstantQuery, listMemories, memoryHistory, patchMemory } from '../../shared/memory/index.ts'
import { observeWrite } from '../../shared/telemetry/index.ts'
import type { MemoriesDeps } from './deps.ts'

const mebibyte = 1024 * 1024

/** Reads, changes, forgets and lists memories. */
export function createMemories(deps: MemoriesDeps): HttpHandler {
  const app = createApp('memories', deps)

  app.post('/v1/memories/list', async (c) => {
    const ctx = await contextOf(c, deps)
    return c.json(await listMemories(ctx, await readJson(c.req.raw, mebibyte)))
  })

  app.post('/v1/memories/forget', async (c) => {
    const ctx = await contextOf(c, deps)
    const body = await readJson(c.req.raw, mebibyte)
    const forgotten = await observeWrite(deps.metrics, 'forget_matching', () => forgetMatching(ctx, body, idempotencyKey(c)))
    if (forgotten.status === 202) deps.wakeOperations()
    else deps.wakeDrain()
    if (forgotten.replayed) c.header('idempotent-replayed', 'true')
    return c.json(forgotten.body, forgotten.status)
  })

  app.get('/v1/memories/:id', async (c) => {
    const ctx = await contextOf(c, deps)
    const { as_of } = InstantQuery.parse(queryOf(c, ['as_of']))
    const memory = await getMemory(ctx, c.req.param('id'), as_of)
    c.header('etag', `"${memory.version}"`)
    return c.json(memory)
  })

  app.get('/v1/memories/:id/history', async (c) => {
    const ctx = await contextOf(c, deps)
    const { cursor, ...instant } = queryOf(c, ['cursor', 'as_of'])
    return c.json(await memoryHistory(ctx, c.req.param('id'), { cursor, asOf: InstantQuery.parse(instant).as_of }))
  })

  app.patch('/v1/memories/:id', async (c) => {
    const ctx = await contextOf(c, deps)
    const body = await readJson(c.req.raw, 5 * mebibyte)
    const changed = await observeWrite(deps.metrics, 'patch', () => patchMemory(ctx, c.req.param('id'), body, { ifVersion: ifMatch(c), idempotencyKey: idempotencyKey(c) }))
    deps.wakeDrain()
    c.header('etag', `"${changed.memory.version}"`)
    if (changed.replayed) c.header('idempotent-replayed', 'true')
    return c.json(changed.memory)
  })

  app.delete('/v1/memories/:id', async (c) => {
    const ctx = await contextOf(c, deps)
    const forgotten = await observeWrite(deps.metrics, 'forget', () => forgetMemory(ctx, c.req.param('id'), { ifVersion: ifMatch(c), idempotencyKey: idempotencyKey(c) }))
    deps.wakeDrain()
    if (forgotten.replayed) c.header('idempotent-replayed', 'true')
    return c.body(null, 204)
  })

  return app
}
