import { listAudit } from '../../shared/audit/index.ts'
import type { HttpHandler } from '../../shared/handler/index.ts'
import { contextOf, createApp, queryOf, readJson } from '../../shared/http/index.ts'
import { changeTenant, createKey, createTenant, listKeys, listTenants, revokeKey, rotateKey } from '../../shared/tenant/index.ts'
import type { TenantsDeps } from './deps.ts'

const bodyBytes = 64 * 1024

/** Tenants (scope platform:tenants, a key of the system tenant), and the keys and the audit log of one's own tenant (scope admin). */
export function createTenants(deps: TenantsDeps): HttpHandler {
  const app = createApp('tenants', deps)
  app.post('/v1/tenants', async (c) => c.json(await createTenant(await contextOf(c, deps), deps.stage, await readJson(c.req.raw, bodyBytes)), 201))
  app.get('/v1/tenants', async (c) => c.json(await listTenants(await contextOf(c, deps), queryOf(c, ['cursor']).cursor)))
  app.patch('/v1/tenants/:name', async (c) => c.json(await changeTenant(await contextOf(c, deps), c.req.param('name'), await readJson(c.req.raw, bodyBytes))))
  app.post('/v1/keys', async (c) => c.json(await createKey(await contextOf(c, deps), deps.stage, await readJson(c.req.raw, bodyBytes)), 201))
  app.get('/v1/keys', async (c) => {
    const ctx = await contextOf(c, deps)
    queryOf(c, [])
    return c.json(await listKeys(ctx))
  })
  app.delete('/v1/keys/:id', async (c) => {
    await revokeKey(await contextOf(c, deps), c.req.param('id'))
    return c.body(null, 204)
  })
  app.post('/v1/keys/:id/rotate', async (c) => c.json(await rotateKey(await contextOf(c, deps), deps.stage, c.req.param('id'), await readJson(c.req.raw, bodyBytes)), 201))
  app.get('/v1/audit', async (c) => c.json(await listAudit(await contextOf(c, deps), queryOf(c, ['tenant', 'action', 'from', 'to', 'limit', 'cursor']))))
  return app
}
