import { expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { dispatch } from '../../local/dispatch.ts'
import { createHandlers } from '../../local/handlers.ts'
import type { Config } from '../../shared/config/index.ts'
import { assembleRuntime } from '../../shared/host/index.ts'
import { openApiDocument, operations, type SomaApp } from '../../shared/http/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { defaultTenantId, insertKey, memoryScopes } from '../../shared/tenant/index.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'

const sortedPairs = (pairs: { method: string; path: string }[]) => pairs.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort()
const braces = (path: string) => path.replaceAll(/:(\w+)/g, '{$1}')

/** The handlers over the product's databases, under a configuration of the test's own. */
function handlersOf({ local }: Product, more: Partial<Config> = {}) {
  return createHandlers(assembleRuntime({ ...local.config, ...more }, createLog('silent'), local.db, { signingKey: 'a test signing key', wake() {}, wakesSent: async () => {} }))
    .http
}
async function defaultTenant({ local }: Product): Promise<Caller> {
  const { key } = await local.db.worker.transaction({ role: 'soma_worker', tenantId: defaultTenantId }, (tx) =>
    insertKey(tx, defaultTenantId, 'local', { name: '', scopes: [...memoryScopes, 'admin'] }),
  )
  return { tenant: 'default', tenantId: defaultTenantId, key: key as string }
}

describeEngines('the surface', (product) => {
  test('manifest, operations, the apps’ own routes and the OpenAPI document name the same operations, each at its handler', () => {
    const handlers = handlersOf(product())
    const rows = manifest.filter((row) => row.kind === 'http')
    expect(rows.map((row) => row.name).sort()).toEqual(Object.keys(handlers).sort())
    for (const row of rows) {
      const served = (handlers[row.name] as SomaApp).routes.filter((route) => route.method !== 'ALL')
      expect(sortedPairs(served), row.name).toEqual(sortedPairs([...row.routes]))
    }
    const routes = rows.flatMap((row) => row.routes)
    expect(sortedPairs([...operations])).toEqual(sortedPairs(routes))
    const paths = openApiDocument().paths as Record<string, object>
    const documented = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => ({ method, path })))
    expect(sortedPairs(documented)).toEqual(sortedPairs(routes.map(({ method, path }) => ({ method, path: braces(path) }))))
  })

  test('/openapi.json is 3.1 in form: unique ids, every path parameter declared', async () => {
    const { body, status } = await product().call(null, 'GET', '/openapi.json')
    expect(status).toBe(200)
    expect(body).toMatchObject({ openapi: expect.stringMatching(/^3\.1\./), info: { title: expect.any(String), version: expect.any(String) } })
    const ids = new Set<string>()
    for (const [path, methods] of Object.entries(
      body.paths as Record<string, Record<string, { operationId: string; parameters?: { name: string; in: string }[]; responses: object }>>,
    )) {
      for (const operation of Object.values(methods)) {
        expect(ids.has(operation.operationId)).toBe(false)
        ids.add(operation.operationId)
        const declared = (operation.parameters ?? []).filter((one) => one.in === 'path').map((one) => one.name)
        expect(declared).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))
        expect(Object.keys(operation.responses).length).toBeGreaterThan(0)
      }
    }
  })

  test('health, readiness, docs and metrics need no credential', async () => {
    const get = (path: string) => product().call(null, 'GET', path)
    expect((await get('/healthz')).body).toEqual({ status: 'ok' })
    const component = { ok: true, latency_ms: expect.any(Number) }
    expect(await get('/readyz')).toMatchObject({ status: 200, body: { status: 'ok', components: { app: component, worker: component } } })
    expect(await get('/health')).toMatchObject({ status: 200, body: { status: 'ok', ok: true, ready: true, components: { memory: { ...component, http: true }, app: component } } })
    const docs = await get('/docs')
    expect(docs.headers.get('content-type')).toMatch(/^text\/html/)
    for (const { path, method } of operations) expect(docs.text).toContain(`aria-label="${method} ${braces(path)}"`)
    expect(docs.text).not.toMatch(/src=|href="http/)
    const metrics = await get('/metrics')
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain/)
    for (const line of ['outbox_pending{tenant="default"} 0', 'memory_wal_lag_seconds{tenant="default"} 0', 'circuit_breaker_state{tenant="default",state="open"} 0'])
      expect(metrics.text.split('\n')).toContain(line)
    for (const name of [
      'api_requests_total',
      'api_request_latency_seconds',
      'consumer_messages_consumed_total',
      'consumer_process_failure_total',
      'memory_persistence_duration_seconds',
      'memory_index_lag_seconds',
      'vector_put_failures_total',
      'db_write_latency_seconds',
    ])
      expect(metrics.text).toContain(`# TYPE ${name} `)
    const labels = [...metrics.text.matchAll(/^api_requests_total\{endpoint="([^"]+)"/gm)].map(([, endpoint]) => endpoint)
    for (const endpoint of labels) expect(['none', ...operations.map((operation) => operation.path)]).toContain(endpoint)
  })

  test('the metrics can be closed with a token', async () => {
    const { status } = handlersOf(product(), { METRICS_TOKEN: 'a metrics token' })
    const get = (authorization?: string) => (status as SomaApp).fetch(new Request('http://soma.test/metrics', { headers: authorization ? { authorization } : {} }))
    for (const wrong of [undefined, 'Bearer', 'Bearer a metrics toke', 'a metrics token']) expect((await get(wrong)).status).toBe(401)
    expect((await get('Bearer a metrics token')).status).toBe(200)
  })

  test('a sane X-Request-Id comes back, any other is replaced, and every answer has one', async () => {
    const ask = async (id: string, path = '/healthz') => (await product().call(null, 'GET', path, undefined, { 'x-request-id': id })).headers.get('x-request-id')
    for (const path of ['/healthz', '/nothing', '/v1/keys']) expect(await ask('job-7:a.b_c', path)).toBe('job-7:a.b_c')
    for (const wrong of ['', 'x'.repeat(129), 'a b', '<script>', 'é']) {
      const id = await ask(wrong)
      expect(id).not.toBe(wrong)
      expect(id).toMatch(/^[0-9a-f-]{36}$/)
    }
  })

  test('CORS is off until origins are listed, and then on for those alone', async () => {
    const ask = async (origins: string[], origin: string, method = 'OPTIONS') => {
      const app = dispatch(handlersOf(product(), { CORS_ORIGINS: origins }))
      const response = await app.fetch(new Request('http://soma.test/v1/memories', { method, headers: { origin, 'access-control-request-method': 'POST' } }))
      return { status: response.status, allowed: response.headers.get('access-control-allow-origin') }
    }
    expect(await ask([], 'https://app.example')).toEqual({ status: 405, allowed: null })
    expect(await ask(['https://app.example'], 'https://app.example')).toEqual({ status: 204, allowed: 'https://app.example' })
    expect(await ask(['https://app.example'], 'https://app.example', 'POST')).toEqual({ status: 401, allowed: 'https://app.example' })
    for (const other of ['https://evil.example', 'https://app.example.evil.example', 'http://app.example', 'null'])
      expect((await ask(['https://app.example'], other)).allowed).toBeNull()
  })

  test('the guides’ script: 50 items at one coord are 50 rows of public.memory_events for the superuser', async () => {
    const caller = await defaultTenant(product())
    const runId = crypto.randomUUID().replaceAll('-', '')
    const items = Array.from({ length: 50 }, (_, i) => ({ coord: '0,0,0', payload: { text: `item ${i}`, run_id: runId }, type: 'episodic' }))
    const stored = await product().call(caller, 'POST', '/store_bulk', { items })
    expect(stored).toMatchObject({ status: 200, body: { stored: 50 } })
    expect(new Set(stored.body.ids).size).toBe(1)
    await product().settle()
    const [row] = await product().local.db.owner.maintenance((sql) =>
      sql.query<{ count: string }>(`select count(*) from public.memory_events where payload::text like '%${runId}%'`),
    )
    expect(row?.count).toBe('50')
    expect((await product().call(null, 'GET', '/metrics')).text).toContain('outbox_pending{tenant="default"} 0')
    const { body } = await product().call(caller, 'POST', '/recall', { query: 'item 49' })
    expect(body).toMatchObject({
      matches: [{ text: 'item 49', run_id: runId }],
      memory: [{ text: 'item 49', run_id: runId }],
      wm: [],
      results: [{ coord: '0,0,0', score: expect.any(Number) }],
    })
    expect((await product().call(caller, 'GET', '/recall?query=item%2049&top_k=1')).body.matches).toEqual(body.matches)
    expect((await product().call(caller, 'POST', '/store', { coord: '1, 2.0,3e0', payload: { a: 'b' } })).body).toMatchObject({ ok: true, version: 1 })
    expect((await product().call(caller, 'GET', '/stats')).body).toEqual({ total_memories: 2, episodic: 2, semantic: 0, namespace: 'default' })
  })
})
