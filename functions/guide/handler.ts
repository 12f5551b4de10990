import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, GuideBulk, GuideRecall, GuideStore, idempotencyKey, queryOf, readJson } from '../../shared/http/index.ts'
import { storeMemories, storeMemory } from '../../shared/memory/index.ts'
import { recall } from '../../shared/recall/index.ts'
import { observeWrite } from '../../shared/telemetry/index.ts'
import type { Ctx } from '../../shared/tenant/index.ts'
import { tenantStats } from '../../shared/usage/index.ts'
import type { GuideDeps } from './deps.ts'

const mebibyte = 1024 * 1024

/** The surface that the Soma guides' scripts and clients speak, over the same verbs. */
export function createGuide(deps: GuideDeps): HttpHandler {
  const app = createApp('guide', deps)

  app.post('/store', async (c) => {
    const ctx = await contextOf(c, deps)
    const { coord, payload, type } = GuideStore.parse(await readJson(c.req.raw, 5 * mebibyte))
    const { memory } = await observeWrite(deps.metrics, 'store', () => storeMemory(ctx, { coord, payload, memory_type: type }, idempotencyKey(c)))
    deps.wakeDrain()
    return c.json({ ok: true, id: memory.id, version: memory.version })
  })

  app.post('/store_bulk', async (c) => {
    const ctx = await contextOf(c, deps)
    const { items } = GuideBulk.parse(await readJson(c.req.raw, 5 * mebibyte))
    const body = { items: items.map(({ coord, payload, type }) => ({ coord, payload, memory_type: type })) }
    const stored = await observeWrite(deps.metrics, 'store_bulk', () => storeMemories(ctx, body, idempotencyKey(c), 'guide'))
    deps.wakeDrain()
    return c.json({ stored: stored.body.created + stored.body.updated, ids: stored.body.results.map((result) => result.id) })
  })

  app.post('/recall', async (c) => {
    const ctx = await contextOf(c, deps)
    return c.json(await guideRecall(ctx, deps, await readJson(c.req.raw, mebibyte)))
  })
  app.get('/recall', async (c) => {
    const ctx = await contextOf(c, deps)
    const { query, top_k: topK, type } = queryOf(c, ['query', 'top_k', 'type'])
    return c.json(await guideRecall(ctx, deps, { query, ...(topK === undefined ? {} : { top_k: Number(topK) }), ...(type === undefined ? {} : { type }) }))
  })

  app.get('/stats', async (c) => {
    const ctx = await contextOf(c, deps)
    queryOf(c, [])
    const { procedural: _procedural, ...stats } = await tenantStats(ctx)
    return c.json(stats)
  })

  return app
}

async function guideRecall(ctx: Ctx, deps: GuideDeps, body: unknown) {
  const { query, top_k, type, filters, hybrid } = GuideRecall.parse(body)
  const found = await recall(ctx, deps.recall, {
    query,
    top_k,
    mode: hybrid ? 'hybrid' : 'vector',
    ...(type ? { memory_types: [type] } : {}),
    ...(filters === undefined ? {} : { filters }),
  })
  const matches = found.results.map((result) => result.payload ?? { text: result.text })
  const results = found.results.map((result) => ({ payload: result.payload ?? { text: result.text }, score: result.score, id: result.id, coord: result.coord }))
  return { matches, results, memory: matches, wm: [] }
}
