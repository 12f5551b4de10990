import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, queryOf } from '../../shared/http/index.ts'
import { tenantStats } from '../../shared/usage/index.ts'
import type { GuideDeps } from './deps.ts'
import { addLinkRoutes } from './link-routes.ts'
import { addMemoryRoutes } from './memory-routes.ts'
import { addRecallRoutes } from './recall-routes.ts'

/** The surface that the Soma guides' scripts and clients speak, over the same verbs. */
export function createGuide(deps: GuideDeps): HttpHandler {
  const app = createApp('guide', deps)
  // /memories/search before /memories/:coord
  addRecallRoutes(app, deps)
  addMemoryRoutes(app, deps)
  addLinkRoutes(app, deps)

  app.get('/stats', async (c) => {
    const ctx = await contextOf(c, deps)
    queryOf(c, [])
    const { procedural: _procedural, ...stats } = await tenantStats(ctx)
    return c.json(stats)
  })

  return app
}
