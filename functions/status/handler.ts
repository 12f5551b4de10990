import { createHash, timingSafeEqual } from 'node:crypto'
import type { HttpHandler } from '../../shared/handler/index.ts'
import { createApp, docsPage, openApiDocument, readiness } from '../../shared/http/index.ts'
import { pendingByTenant } from '../../shared/outbox/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import { foldTenants } from '../../shared/telemetry/index.ts'
import type { StatusDeps } from './deps.ts'

/** Health, readiness, metrics, and the OpenAPI document with its page. None of it needs a tenant. */
export function createStatus(deps: StatusDeps): HttpHandler {
  const app = createApp('status', deps)
  const document = openApiDocument()

  app.get('/healthz', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', async (c) => {
    const ready = await readiness({ app: deps.app, worker: deps.worker })
    return c.json(ready, ready.status === 'ok' ? 200 : 503)
  })
  app.get('/health', async (c) => {
    const { components } = await readiness({ app: deps.app, worker: deps.worker })
    // only the request path decides whether it is up; a worker that is away leaves stores and recalls working
    const status = !components.app?.ok ? 'down' : components.worker?.ok ? 'ok' : 'degraded'
    return c.json({ status, ok: status !== 'down', ready: status !== 'down', components, stage: deps.stage }, status === 'down' ? 503 : 200)
  })
  app.get('/metrics', async (c) => {
    checkToken(deps.metricsToken, c.req.header('authorization'))
    await pendingByTenant(deps.worker).then(
      (rows) => {
        for (const row of foldTenants(rows)) {
          deps.metrics.outboxPending.set({ tenant: row.tenant }, row.pending)
          deps.metrics.walLag.set({ tenant: row.tenant }, row.oldestSeconds)
        }
      },
      (error) => deps.log.warn({ err: error }, 'the outbox could not be counted for the metrics'),
    )
    return c.body(await deps.metrics.text(), 200, { 'content-type': deps.metrics.contentType })
  })
  app.get('/openapi.json', (c) => c.json(document))
  app.get('/docs', (c) => c.html(docsPage(new URL(c.req.url).origin), 200, { 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'" }))
  return app
}

function checkToken(expected: string | undefined, header: string | undefined): void {
  if (expected === undefined) return
  const digest = (text: string) => createHash('sha256').update(text).digest()
  if (!timingSafeEqual(digest(`Bearer ${expected}`), digest(header ?? '')))
    throw new AppError('unauthenticated', 'The metrics need their token.', { headers: { 'www-authenticate': 'Bearer' } })
}
