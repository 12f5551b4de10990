import type { HttpHandler } from '../../shared/handler/index.ts'
import { checkMetricsToken, createApp, dependencyHealth, docsPage, docsPolicy, openApiDocument, readiness } from '../../shared/http/index.ts'
import { listModels, readChecks } from '../../shared/model/index.ts'
import { pendingByTenant } from '../../shared/outbox/index.ts'
import { recoveryState } from '../../shared/recovery/index.ts'
import { foldTenants } from '../../shared/telemetry/index.ts'
import type { StatusDeps } from './deps.ts'

/** Health, readiness, metrics, and the OpenAPI document with its page. None of it needs a tenant. */
export function createStatus(deps: StatusDeps): HttpHandler {
  const app = createApp('status', deps)
  const document = openApiDocument()
  const page = docsPage(document)
  const dependencies = dependencyHealth(deps.dependables, (dependency, reason) => deps.log.warn({ dependency, err: reason }, 'a dependency cannot be used'))
  const count = () => Promise.all([pendingByTenant(deps.worker), listModels(deps.worker), readChecks(deps.worker), recoveryState(deps.worker)])
  let counting: ReturnType<typeof count> | undefined

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
  app.get('/metrics', async (c) => {
    checkMetricsToken(deps.metricsToken, c.req.header('authorization'))
    // scrapes that come at once share one count
    counting ??= count().finally(() => {
      counting = undefined
    })
    await counting.then(
      ([rows, models, checks, recovery]) => {
        const { outboxPending, outboxDead, walLag, modelCoverage, vectorMissing, vectorStale, vectorRepaired, vectorCheckAge } = deps.metrics
        // a tenant whose rows are all sent is not among them any more
        for (const gauge of [outboxPending, outboxDead, walLag, modelCoverage, vectorMissing, vectorStale, vectorRepaired, vectorCheckAge]) gauge.reset()
        for (const row of foldTenants(rows)) {
          outboxPending.set({ tenant: row.tenant }, row.pending)
          outboxDead.set({ tenant: row.tenant }, row.dead)
          walLag.set({ tenant: row.tenant }, row.oldestSeconds)
        }
        for (const { name, use, progress } of models) if (use && progress) modelCoverage.set({ model: name, use }, progress.total ? progress.covered / progress.total : 1)
        for (const { model, missing, stale, repaired, seconds } of checks) {
          vectorMissing.set({ model }, missing)
          vectorStale.set({ model }, stale)
          vectorRepaired.set({ model }, repaired)
          vectorCheckAge.set({ model }, seconds)
        }
        deps.metrics.statusUp.set({ handler: 'status' }, 1)
        for (const { kind, age, ok, every, looked, rpo, rto } of recovery) {
          if (age !== null) deps.metrics.recoveryAge.set({ kind }, age)
          if (ok !== null) deps.metrics.recoveryOk.set({ kind }, ok ? 1 : 0)
          if (every !== null) deps.metrics.recoveryEvery.set({ kind }, every)
          if (looked !== null) deps.metrics.recoveryLooked.set({ kind }, looked)
          if (rpo !== null) deps.metrics.drillRpo.set(rpo)
          if (rto !== null) deps.metrics.drillRto.set(rto)
        }
      },
      (error) => deps.log.warn({ err: error }, 'the outbox, the models, their checks, backups and drills could not be read for the metrics'),
    )
    await deps.journal?.state().then(
      ({ pending, oldestSeconds, bytes, failed }) => {
        const { journalPending, journalOldest, journalBytes, journalFailed } = deps.metrics
        journalPending.set(pending)
        journalOldest.set(oldestSeconds)
        journalBytes.set(bytes)
        journalFailed.set(failed)
      },
      (error) => deps.log.warn({ err: error }, 'the journal could not be read for the metrics'),
    )
    return c.body(await deps.metrics.text(), 200, { 'content-type': deps.metrics.contentType })
  })
  app.get('/openapi.json', (c) => c.json(document))
  app.get('/docs', (c) => c.html(page, 200, { 'content-security-policy': docsPolicy, 'referrer-policy': 'no-referrer' }))
  return app
}
