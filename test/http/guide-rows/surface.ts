import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { dispatch } from '../../../local/dispatch.ts'
import { createHandlers } from '../../../local/handlers.ts'
import { type Config, parseConfig } from '../../../shared/config/index.ts'
import { assembleRuntime } from '../../../shared/host/index.ts'
import { createLog } from '../../../shared/telemetry/index.ts'
import { defaultTenantId, insertKey, memoryScopes } from '../../../shared/tenant/index.ts'
import { startEmbeddingServer } from '../../support/embedding-server.ts'
import { asAdmin, type Caller, type Product } from '../../support/engines.ts'
import { newSigner, signedToken } from '../../support/forged-tokens.ts'
import { expectProblem } from '../checks.ts'

/** A key of the tenant `default`, whom the guides' scripts are. */
async function defaultTenant({ local }: Product): Promise<Caller> {
  const { key } = await local.db.worker.transaction({ role: 'soma_worker', tenantId: defaultTenantId }, (tx) =>
    insertKey(tx, defaultTenantId, 'local', { name: '', scopes: [...memoryScopes, 'admin'] }),
  )
  return { tenant: 'default', tenantId: defaultTenantId, key: key as string }
}

/** The same product under another configuration. */
function under({ local }: Product, more: Partial<Config>) {
  const runtime = assembleRuntime({ ...local.config, ...more }, createLog('silent'), local.db, { signingKey: 'a test signing key', wake() {}, wakesSent: async () => {} })
  return dispatch(createHandlers(runtime).http)
}

const chunk = (from: number, size: number, runId: string) =>
  Array.from({ length: size }, (_, i) => ({ coord: `${from + i},0,0`, payload: { text: `item ${from + i}`, run_id: runId }, type: 'episodic' }))

async function healthy(product: Product): Promise<void> {
  const answer = await product.call(null, 'GET', '/health')
  expect(answer).toMatchObject({ status: 200, body: { status: 'ok', ok: true, ready: true, components: { memory: { http: true } } } })
}
async function metricLine(product: Product, line: RegExp): Promise<void> {
  const answer = await product.call(null, 'GET', '/metrics')
  expect(answer.status).toBe(200)
  expect(answer.text).toMatch(line)
}

/** Rows about the running service, shown on every engine. */
export const surfaceRows: Record<string, (product: Product) => Promise<unknown>> = {
  A25: healthy,
  A26: (product) => metricLine(product, /^# TYPE api_requests_total counter$/m),
  async A29(product) {
    const app = under(product, { AUTH_MODE: 'open' })
    expect((await app.fetch(new Request('http://localhost:9595/stats'))).status).toBe(200)
    expect((await app.fetch(new Request('http://evil.example/stats'))).status).toBe(401)
  },
  async F4(product) {
    const app = under(product, { AUTH_MODE: 'token', SOMA_API_TOKEN: 'the-token-of-the-guide' })
    const ask = async (headers: Record<string, string>) => (await app.fetch(new Request('http://localhost:9595/stats', { headers }))).status
    expect(await ask({})).toBe(401)
    expect(await ask({ authorization: 'Bearer another-token' })).toBe(401)
    expect(await ask({ authorization: 'Bearer the-token-of-the-guide' })).toBe(200)
  },
  async K12(product) {
    const signer = newSigner('production-issuer')
    const folder = mkdtempSync(join(tmpdir(), 'soma-guide-'))
    writeFileSync(join(folder, 'jwt_pub.pem'), signer.publicPem)
    const named = { SOMABRAIN_JWT_ISSUER: signer.issuer, SOMABRAIN_JWT_AUDIENCE: signer.audience, SOMABRAIN_JWT_PUBLIC_KEY_PATH: join(folder, 'jwt_pub.pem') }
    const { JWT_ISSUER, JWT_AUDIENCE, JWT_PUBLIC_KEY_PATH } = parseConfig(named)
    const app = under(product, { JWT_ISSUER, JWT_AUDIENCE, JWT_PUBLIC_KEY_PATH })
    rmSync(folder, { recursive: true })
    const ask = async (token: string) => (await app.fetch(new Request('http://localhost:9696/stats', { headers: { authorization: `Bearer ${token}` } }))).status
    expect(await ask(await signedToken(signer))).toBe(200)
    expect(await ask(await signedToken(newSigner('production-issuer')))).toBe(401)
  },
  async F12(product) {
    const caller = await product.tenant()
    expect((await product.call(caller, 'GET', '/stats')).status).toBe(200)
    if (!product.adminUrl) return
    await asAdmin(product.adminUrl, (client) =>
      client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()'),
    )
    await expect.poll(async () => (await product.call(caller, 'GET', '/stats')).status, { timeout: 10_000 }).toBe(200)
  },
  F22: async (product) => expect(await product.call(null, 'GET', '/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } }),
  async F24(product) {
    const runId = crypto.randomUUID().replaceAll('-', '')
    const items = chunk(0, 50, runId).map((item) => ({ ...item, coord: '0,0,0' }))
    expect((await product.call(await defaultTenant(product), 'POST', '/store_bulk', { items })).body.stored).toBe(50)
    await product.settle()
    const [row] = await product.local.db.owner.maintenance((sql) => sql.query<{ count: string }>(`select count(*) from public.memory_events where payload::text like '%${runId}%'`))
    expect(row?.count).toBe('50')
  },
  async F26(product) {
    const caller = await product.tenant()
    for (let from = 0; from < 1000; from += 100) expect((await product.call(caller, 'POST', '/store_bulk', { items: chunk(from, 100, 'r') })).body.stored).toBe(100)
    expect((await product.call(caller, 'GET', '/stats')).body).toMatchObject({ total_memories: 1000, episodic: 1000 })
  },
  async F27(product) {
    const caller = await product.tenant()
    const refused = await product.call(caller, 'POST', '/store_bulk', { items: chunk(0, 1000, 'r') })
    expectProblem(refused, 'invalid', '/items')
    expect(refused.body.detail).toContain('several requests')
    expectProblem(await product.call(caller, 'POST', '/store_bulk', JSON.stringify({ items: [{ coord: '1', payload: { text: 'x'.repeat(5 * 1024 * 1024) } }] })), 'too_large')
  },
  async F30(product) {
    for (const [name, type] of [
      ['memory_wal_lag_seconds', 'gauge'],
      ['vector_put_failures_total', 'counter'],
      ['db_write_latency_seconds', 'histogram'],
    ])
      await metricLine(product, new RegExp(`^# TYPE ${name} ${type}$`, 'm'))
  },
  F32: async (product) =>
    expectProblem(await product.call(await product.tenant(), 'POST', '/store_bulk', { items: [{ coord: '1', payload: {}, kind: 'x' }] }), 'invalid', '/items/0/kind'),
  K13: healthy,
  K14: healthy,
  K15: healthy,
  K18: async (product) =>
    expect(await product.call(null, 'GET', '/readyz')).toMatchObject({ status: 200, body: { status: 'ok', components: { app: { ok: true }, worker: { ok: true } } } }),
  P17: (product) => metricLine(product, /^# TYPE api_request_latency_seconds histogram$/m),
  P20: healthy,
  P21: (product) => metricLine(product, /^outbox_pending\{tenant="default"\} \d+$/m),
  P22: (product) => metricLine(product, /^circuit_breaker_state\{tenant="default",state="open"\} 0$/m),
  async P23(product) {
    const server = await startEmbeddingServer()
    server.answer(() => ({ status: 500, body: '' }))
    try {
      const app = under(product, { EMBEDDER: 'http', EMBEDDING_URL: server.url, EMBEDDING_MODEL: 'm' })
      const headers = { authorization: `Bearer ${(await defaultTenant(product)).key}`, 'content-type': 'application/json' }
      const recall = () => app.fetch(new Request('http://localhost:9595/recall', { method: 'POST', headers, body: '{"query":"anything"}' }))
      for (let i = 0; i < 3; i++) expect((await recall()).status).toBe(200)
      const metrics = await (await app.fetch(new Request('http://localhost:9595/metrics'))).text()
      expect(metrics).toMatch(/^circuit_breaker_state\{tenant="default",state="open"\} 1$/m)
    } finally {
      await server.close()
    }
  },
  R5: healthy,
}
