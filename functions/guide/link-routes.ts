import { guideLink, guideNeighbors, guideShortestPath } from '../../shared/guide/index.ts'
import { contextOf, idempotencyKey, queryOf, readJson, type SomaApp } from '../../shared/http/index.ts'
import type { GuideDeps } from './deps.ts'
import { typed } from './query.ts'
import { answerWrite } from './write.ts'

const mebibyte = 1024 * 1024

/** What links coords and walks along the links. */
export function addLinkRoutes(app: SomaApp, deps: GuideDeps): void {
  app.post('/link', async (c) => {
    const ctx = await contextOf(c, deps)
    const body = await readJson(c.req.raw, mebibyte)
    return answerWrite(c, deps, 'link', () => guideLink(ctx, body, idempotencyKey(c)))
  })
  app.get('/neighbors', async (c) => {
    const ctx = await contextOf(c, deps)
    return c.json(await guideNeighbors(ctx, typed(queryOf(c, ['coord', 'link_type', 'limit']), { limit: 'number' })))
  })
  app.get('/shortest_path', async (c) => {
    const ctx = await contextOf(c, deps)
    return c.json(await guideShortestPath(ctx, queryOf(c, ['frm', 'to', 'link_type'])))
  })
}
