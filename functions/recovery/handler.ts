import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, queryOf } from '../../shared/http/index.ts'
import { getRun, listRuns, requestRun } from '../../shared/recovery/index.ts'
import type { RecoveryDeps } from './deps.ts'
import { drillPage, pagePolicy } from './page.ts'

/** The operators' surface of backups and drills: which there were and what they came to, and to ask for one. With keys of the tenant "system". */
export function createRecovery(deps: RecoveryDeps): HttpHandler {
  const app = createApp('recovery', deps)
  for (const [path, kind, job] of [
    ['/v1/backups', 'backup', 'keep-backups'],
    ['/v1/drills', 'drill', 'drill'],
  ] as const) {
    app.get(path, async (c) => c.json(await listRuns(await contextOf(c, deps), kind, queryOf(c, ['limit', 'cursor']))))
    app.post(path, async (c) => {
      const run = await requestRun(await contextOf(c, deps), kind)
      deps.wake(job)
      return c.json(run, 202)
    })
  }
  app.get('/v1/backups/:id', async (c) => {
    queryOf(c, [])
    return c.json(await getRun(await contextOf(c, deps), 'backup', c.req.param('id')))
  })
  app.get('/v1/drills/:id', async (c) => {
    queryOf(c, [])
    const run = await getRun(await contextOf(c, deps), 'drill', c.req.param('id'))
    if (!c.req.header('accept')?.includes('text/html')) return c.json(run)
    return c.html(await drillPage(run), 200, { 'content-security-policy': pagePolicy, 'referrer-policy': 'no-referrer' })
  })
  return app
}
