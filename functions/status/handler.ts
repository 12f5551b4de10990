import type { HttpHandler } from '../../shared/handler/index.ts'
import { checkMetricsToken, createApp, dependencyHealth, docsPage, docsPolicy, openApiDocument, readiness } from '../../shared/http/index.ts'
import type { StatusDeps } from './deps.ts'
import { readCertificates, readGauges, readJournal } from './gauges.ts'

/** Health, readiness, metrics, and the OpenAPI document with its page. None of it needs a tenant. */
export function createStatus(deps: StatusDeps): HttpHandler {
  const app = createApp('status', deps)
  const document = openApiDocument()
  const page = docsPage(document)
  const dependencies = dependencyHealth(deps.dependables, (dependency, reason) => deps.log.warn({ dependency, err: reason }, 'a dependency cannot be used'))
  let measuring: Promise<unknown> | undefined

  app.get('/healthz', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', async (c) => {
    const ready = await readiness({ app: deps.app, worker: deps.worker })
    return c.json(ready, ready.status === 'ok' ? 200 : 503)
  })
  app.get('/health', async (c) => {
    const [ready, others] = await Promise.all([readiness({ app: deps.app, worker: deps.worker }, deps.redis ? { redis: deps.redis() } : {}), dependencies()])
    const components = { ...ready.components, ...others }
    // only the request path decides whether it is up; a worker or a dependency that is away leaves stores and recalls working
    const status = !components.app?.ok ? 'down' : Object.values(components).every(({ ok }) => ok) ? 'ok' : 'degraded'
    const up = status !== 'down'
    // the name by which the guides ask: memories are served over HTTP, which is true while this answers and its database does
    const memory = { ...components.app, http: up }
    return c.json({ status, ok: up, ready: up, components: { memory, ...components }, stage: deps.stage }, up ? 200 : 503)
  })
  // reads that come at once share one
  const measure = () => {
    measuring ??= Promise.all([readGauges(deps), readJournal(deps), readCertificates(deps)]).finally(() => {
      measuring = undefined
    })
    return measuring.then(() => {})
  }
  app.get('/metrics', async (c) => {
    checkMetricsToken(deps.metricsToken, c.req.header('authorization'))
    await measure()
    return c.body(await deps.metrics.text(), 200, { 'content-type': deps.metrics.contentType })
  })
  app.get('/openapi.json', (c) => c.json(document))
  app.get('/docs', (c) => c.html(page, 200, { 'content-security-policy': docsPolicy, 'referrer-policy': 'no-referrer' }))
  return Object.assign(app, { measure })
}
