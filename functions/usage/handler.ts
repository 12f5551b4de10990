import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, queryOf } from '../../shared/http/index.ts'
import { listNamespaces, listSessions, listUsers, tenantUsage } from '../../shared/usage/index.ts'
import type { UsageDeps } from './deps.ts'

/** The names under which a tenant keeps memories, with their counts, and what it used by day or hour. No memory is read for any of it. */
export function createUsage(deps: UsageDeps): HttpHandler {
  const app = createApp('usage', deps)
  app.get('/v1/namespaces', async (c) => c.json(await listNamespaces(await contextOf(c, deps), queryOf(c, ['cursor', 'limit']))))
  app.get('/v1/users', async (c) => c.json(await listUsers(await contextOf(c, deps), queryOf(c, ['namespace', 'cursor', 'limit']))))
  app.get('/v1/sessions', async (c) => c.json(await listSessions(await contextOf(c, deps), queryOf(c, ['namespace', 'user_id', 'cursor', 'limit']))))
  app.get('/v1/usage', async (c) => c.json(await tenantUsage(await contextOf(c, deps), queryOf(c, ['from', 'to', 'by']))))
  return app
}
