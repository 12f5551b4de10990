import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe } from 'vitest'
import { type Local, openLocal } from '../../local/adapter.ts'
import { startPgBouncer } from '../../local/services/pgbouncer.ts'
import { parseConfig } from '../../shared/config/index.ts'
import type { Database } from '../../shared/db/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { type Ctx, insertKey, type Scope, tenantScopes } from '../../shared/tenant/index.ts'
import { asAdmin } from './admin.ts'
import { requireService } from './services.ts'
import { embeddedCopy, templateOn } from './template.ts'

export { asAdmin } from './admin.ts'

export type Caller = { tenant: string; tenantId: number; key: string }
/** A whole product on one engine, with helpers that speak to it as a client does. */
export type Product = {
  engine: 'pglite' | 'postgres 18' | 'postgres 16'
  local: Local
  /** The superuser's URL of the test's own database; undefined on the embedded engine. */
  adminUrl: string | undefined
  /** A new tenant with a key of these scopes (all memory scopes and admin unless told otherwise). */
  tenant(scopes?: Scope[]): Promise<Caller>
  /** Sends JSON (or a prepared body) as the caller; without one, without credentials. */
  call(caller: Caller | null, method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Drains, projects, indexes, writes what reads used and rolls up until nothing is left. */
  settle(): Promise<void>
  /** A Ctx for calling a verb directly. */
  ctx(caller: Caller, scopes?: Scope[]): Ctx
}
// biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
export type Answer = { status: number; headers: Headers; body: any; text: string }

/**
 * The same suite on the embedded engine and on each real Postgres that is there. On 16 the product's logins go through PgBouncer, pooling by transaction,
 * where there is one: whatever leans on a session shows there. Where CI is short (vitest.config.ts), 16 is left to .ci/full.
 */
export function describeEngines(name: string, suite: Suite, engines: Product['engine'][] = all, more: () => Promise<Record<string, string>> = async () => ({})): void {
  describeOn(name, suite, engines, more, process.env.SKIP_POSTGRES_16 === '1')
}

/** The same where 16 plans or does otherwise, or a pooler matters most: there in a short CI too. */
export function describeEveryEngine(name: string, suite: Suite, engines: Product['engine'][] = all, more: Record<string, string> = {}): void {
  describeOn(name, suite, engines, async () => more, false)
}

type Suite = (product: () => Product) => void
const all: Product['engine'][] = ['pglite', 'postgres 18', 'postgres 16']

function describeOn(name: string, suite: Suite, engines: Product['engine'][], more: () => Promise<Record<string, string>>, leave16: boolean): void {
  for (const engine of engines.filter((one) => !beside || beside.engines.includes(one))) {
    const variable = engine === 'postgres 16' ? 'POSTGRES16_URL' : 'POSTGRES_URL'
    const url = engine === 'pglite' ? undefined : requireService(variable)
    const left = engine === 'postgres 16' && leave16
    const skipped = engine !== 'pglite' && (!url || left)
    const way = engine === 'postgres 16' && requireService('PGBOUNCER_PATH') ? ' through PgBouncer' : ''
    describe.skipIf(skipped)(`${name} on ${engine}${way}${skipped ? ` (skipped: ${left ? 'left to .ci/full' : `no ${variable}`})` : ''}`, () => {
      let product: Product | undefined
      let cleanUp: (() => Promise<void>) | undefined
      beforeAll(async () => {
        const opened = await openProduct(engine, url, { ...beside?.variables, ...(await more()) })
        product = opened.product
        cleanUp = opened.close
      })
      afterAll(() => cleanUp?.())
      suite(() => product as Product)
    })
  }
}

let beside: { engines: Product['engine'][]; variables: Record<string, string> } | undefined
/** From here on, in this file, suites run with these variables too, and on these engines only: so that a file can import suites of others. */
export function describeBeside(engines: Product['engine'][], variables: Record<string, string>): void {
  beside = { engines, variables }
}

export async function openProduct(
  engine: Product['engine'],
  serverUrl: string | undefined,
  more: Record<string, string> = {},
): Promise<{ product: Product; close(): Promise<void> }> {
  const directory = serverUrl ? 'memory://' : await embeddedCopy(more.SOMA_DATA_DIR)
  const base = { SOMA_DATA_DIR: directory, AUTH_MODE: 'mixed', LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent', ...more }
  const scratch = serverUrl ? await createScratch(serverUrl, engine === 'postgres 16' ? requireService('PGBOUNCER_PATH') : undefined) : undefined
  const config = parseConfig(scratch ? { ...base, SIGNING_KEY: 'a test signing key', POSTGRES_URL: scratch.loginUrl, POSTGRES_MIGRATION_URL: scratch.adminUrl } : base)
  const local = await openLocal(config, createLog(config.LOG_LEVEL))
  if (!serverUrl) await local.db.owner.maintenance((sql) => sql.query(anotherInstallation))
  // at first there is nothing to copy: whatever is stored from here on is written there as well
  if (config.VECTOR_ENGINE === 'milvus') await local.runJob('build-ann')
  const product: Product = {
    engine,
    local,
    adminUrl: scratch?.adminUrl,
    tenant: (scopes = [...tenantScopes]) => createCaller(local.db.worker, scopes),
    call: async (caller, method, path, body, headers) => answerOf(await local.fetch(requestOf('http://soma.test', caller, method, path, body, headers))),
    async settle() {
      await local.runJob('drain-outbox')
      await local.flushReads()
      await local.runJob('rollup-usage')
    },
    ctx: (caller, scopes = [...tenantScopes]) => ({
      tenantId: caller.tenantId,
      tenant: caller.tenant,
      actor: 'test',
      scopes: new Set(scopes),
      limits: {},
      app: local.db.app,
      worker: local.db.worker,
      requestId: 'test',
      signingKey: 'a test signing key',
    }),
  }
  return {
    product,
    async close() {
      await local.close()
      await scratch?.drop()
      if (directory !== 'memory://') rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A new tenant with a key, made by the worker's login. */
export async function createCaller(worker: Database, scopes: Scope[] = [...tenantScopes]): Promise<Caller> {
  const tenant = `t-${randomBytes(6).toString('hex')}`
  const tenantId = await worker.transaction({ role: 'soma_worker', tenantId: null }, async (tx) => {
    const [row] = await tx.query<{ tenant_id: number }>('insert into tenants (name) values ($1::text) returning tenant_id', [tenant])
    return (row as { tenant_id: number }).tenant_id
  })
  const key = await worker.transaction({ role: 'soma_worker', tenantId }, (tx) => insertKey(tx, tenantId, 'local', { name: '', scopes }))
  return { tenant, tenantId, key: key.key as string }
}

/** What a client sends: JSON, or a prepared body. */
export function requestOf(base: string, caller: Caller | null, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Request {
  const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream
  return new Request(`${base}${path}`, {
    method,
    headers: { ...(caller ? { authorization: `Bearer ${caller.key}` } : {}), ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  } as RequestInit)
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  const json = /[/+]json\b/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, text, body: json && text ? JSON.parse(text) : undefined }
}

/** A copy of a template is an installation of its own. */
const anotherInstallation = 'update installation set installation_id = gen_random_uuid()'

/** A database of the test file's own, and a login that is a member of the two roles and nothing else. */
async function createScratch(serverUrl: string, pgBouncer: string | undefined): Promise<{ adminUrl: string; loginUrl: string; drop(): Promise<void> }> {
  const name = `soma_test_${randomBytes(6).toString('hex')}`
  const login = `${name}_login`
  const template = await templateOn(serverUrl)
  await asAdmin(serverUrl, async (client) => {
    await client.query(`create database ${name}${template ? ` template ${template}` : ''}`)
    for (const role of ['soma_app', 'soma_worker', 'soma_owner']) {
      await client.query(`do $$ begin create role ${role} nologin noinherit; exception when duplicate_object or unique_violation then null; end $$`)
    }
    await client.query(`create role ${login} login noinherit password 'test' in role soma_app, soma_worker`)
  })
  const adminUrl = Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href
  if (template) await asAdmin(adminUrl, (client) => client.query(anotherInstallation))
  const directUrl = Object.assign(new URL(adminUrl), { username: login, password: 'test' }).href
  const pooled = pgBouncer ? await startPgBouncer(pgBouncer, directUrl) : undefined
  return {
    adminUrl,
    loginUrl: pooled?.url ?? directUrl,
    async drop() {
      await pooled?.stop()
      await asAdmin(serverUrl, async (client) => {
        await client.query(`drop database ${name} with (force)`)
        await client.query(`drop role ${login}`)
      })
    },
  }
}
