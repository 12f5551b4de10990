import { coordsInRange, guideRecall, guideRecallBatch, guideRecallWithContext, guideScores, guideSearch, keywordSearch } from '../../shared/guide/index.ts'
import { contextOf, queryOf, readJson, type SomaApp } from '../../shared/http/index.ts'
import type { GuideDeps } from './deps.ts'
import { typed } from './query.ts'

const mebibyte = 1024 * 1024

/** What reads. */
export function addRecallRoutes(app: SomaApp, deps: GuideDeps): void {
  app.post('/recall', async (c) => c.json(await guideRecall(await contextOf(c, deps), deps.recall, await readJson(c.req.raw, mebibyte))))
  app.get('/recall', async (c) => {
    const ctx = await contextOf(c, deps)
    const query = queryOf(c, ['query', 'top_k', 'type', 'filters', 'hybrid'])
    return c.json(await guideRecall(ctx, deps.recall, typed(query, { top_k: 'number', filters: 'json', hybrid: 'boolean' })))
  })
  app.post('/recall_batch', async (c) => c.json(await guideRecallBatch(await contextOf(c, deps), deps.recall, await readJson(c.req.raw, 5 * mebibyte))))
  for (const path of ['/recall_with_scores', '/hybrid_recall_with_scores'])
    app.post(path, async (c) => c.json(await guideScores(await contextOf(c, deps), deps.recall, await readJson(c.req.raw, mebibyte))))
  app.post('/recall_with_context', async (c) => c.json(await guideRecallWithContext(await contextOf(c, deps), deps.recall, await readJson(c.req.raw, mebibyte))))
  app.post('/keyword_search', async (c) => c.json(await keywordSearch(await contextOf(c, deps), await readJson(c.req.raw, mebibyte))))

  app.post('/memories/search', async (c) => c.json(await guideSearch(await contextOf(c, deps), deps.recall, await readJson(c.req.raw, mebibyte))))
  app.get('/memories/search', async (c) => {
    const ctx = await contextOf(c, deps)
    const query = queryOf(c, ['query', 'top_k', 'offset', 'filters'])
    return c.json(await guideSearch(ctx, deps.recall, typed(query, { top_k: 'number', offset: 'number', filters: 'json' })))
  })

  app.get('/range', async (c) => {
    const ctx = await contextOf(c, deps)
    return c.json(await coordsInRange(ctx, typed(queryOf(c, ['min', 'max', 'type', 'limit', 'cursor']), { limit: 'number' })))
  })
}
