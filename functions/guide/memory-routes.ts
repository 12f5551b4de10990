import { forgetAt, guideStore, guideStoreBulk, guideStoreMemory, memoryAt } from '../../shared/guide/index.ts'
import { contextOf, idempotencyKey, queryOf, readJson, type SomaApp, takeBatch } from '../../shared/http/index.ts'
import type { GuideDeps } from './deps.ts'
import { answerWrite } from './write.ts'

const mebibyte = 1024 * 1024

/** What stores, reads and forgets by coord. */
export function addMemoryRoutes(app: SomaApp, deps: GuideDeps): void {
  app.post('/store', async (c) => {
    const ctx = await contextOf(c, deps)
    const body = await readJson(c.req.raw, 5 * mebibyte)
    return answerWrite(c, deps, 'store', () => guideStore(ctx, body, idempotencyKey(c)))
  })
  app.post('/store_bulk', async (c) => {
    const ctx = await contextOf(c, deps)
    await takeBatch(c, deps, ctx)
    const body = await readJson(c.req.raw, 5 * mebibyte)
    return answerWrite(c, deps, 'store_bulk', () => guideStoreBulk(ctx, body, idempotencyKey(c)))
  })
  app.post('/memories', async (c) => {
    const ctx = await contextOf(c, deps)
    const body = await readJson(c.req.raw, 5 * mebibyte)
    return answerWrite(c, deps, 'store', () => guideStoreMemory(ctx, body, idempotencyKey(c)))
  })

  app.get('/memories/:coord', async (c) => {
    const ctx = await contextOf(c, deps)
    queryOf(c, [])
    const memory = await memoryAt(ctx, c.req.param('coord'))
    c.header('etag', `"${memory.version}"`)
    return c.json({ memory })
  })
  app.delete('/memories/:coord', async (c) => {
    const ctx = await contextOf(c, deps)
    return answerWrite(c, deps, 'forget', () => forgetAt(ctx, c.req.param('coord'), idempotencyKey(c)))
  })
}
