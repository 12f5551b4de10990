import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { type Database, openPostgres } from '../../shared/db/index.ts'
import { exitOf } from '../http/processes.ts'
import { balancedTo } from '../support/balancer.ts'
import { type Containers, composeContainers } from '../support/containers.ts'
import { answerOf, asAdmin, createCaller, requestOf } from '../support/engines.ts'
import { createBucket, s3Environment, useS3 } from '../support/s3.ts'
import { requireService } from '../support/services.ts'
import { behaviour, type Host, issuerVariables, metricsToken } from './suite.ts'

const s3 = requireService('TEST_S3_URL') as string
const bootstrap = requireService('KAFKA_BOOTSTRAP_SERVERS') as string
const redis = requireService('TEST_REDIS_URL')
const missing = [...(s3 ? [] : ['TEST_S3_URL']), ...(bootstrap ? [] : ['KAFKA_BOOTSTRAP_SERVERS']), ...(requireService('POSTGRES_URL') ? [] : ['POSTGRES_URL'])]
const services = manifest.filter((row) => row.kind !== 'job' && row.hosts.includes('task'))
const jobs = manifest.filter((row) => row.kind === 'job').filter((row) => row.hosts.includes('task'))

describe.skipIf(missing.length > 0)(`every row a container, with Kafka, Postgres and S3 between them${missing.length ? ` (skipped: no ${missing.join(', ')})` : ''}`, () => {
  let containers: Containers
  let worker: Database
  const running = new Map<string, { port: string; child: ChildProcess }>()
  beforeAll(async () => {
    const { S3_ENDPOINT, ...aws } = s3Environment(s3)
    const topic = `t-${randomBytes(6).toString('hex')}.events`
    const own = { KAFKA_MEMORY_EVENTS_TOPIC: topic, BACKUP_BUCKET: await createBucket(useS3(s3).client), BACKUP_KEY: '01'.repeat(32), ...aws }
    // compose needs no credentials, as its ports are on loopback only; here they tell tenants apart
    const environment = { ...own, ...issuerVariables, AUTH_MODE: 'mixed', METRICS_TOKEN: metricsToken, LOG_LEVEL: 'info' }
    containers = await composeContainers({ 'kafka:9092': bootstrap, 'http://s3:7070': S3_ENDPOINT, 'redis://redis:6379': redis ?? '' }, environment)
    for (const name of ['migrate', 'topics']) expect(await containers.run(name)).toMatchObject({ code: 0 })
    await Promise.all(services.map(async ({ name }) => running.set(name, await containers.start(name))))
    worker = openPostgres({ url: containers.urlOf('soma_jobs'), max: 2, statementTimeoutMs: 10_000, onError: () => {} })
  }, 300_000)
  afterAll(async () => {
    await worker?.close()
    await containers?.remove()
  })

  const urlOf = (name: string | undefined) => `http://127.0.0.1:${running.get(name ?? '')?.port}`
  const call: Host['call'] = async (caller, method, path, ...more) => {
    const owner = balancedTo(method, path.split('?')[0] ?? '')
    return answerOf(await fetch(requestOf(urlOf(owner), caller, method, path, ...more)))
  }
  const sql = <Row>(text: string, values: unknown[] = [], url = containers.adminUrl) => asAdmin(url, async (client) => (await client.query(text, values)).rows as Row[])
  /** A job's own entry, as ECS starts it. */
  const job = (name: string, more: Record<string, string> = {}) => containers.run(name, more, ['node', `functions/${name}/task.ts`])

  behaviour(
    () => ({
      call,
      tenant: (scopes) => createCaller(worker, scopes),
      async job(name) {
        const { code, output } = await job(name)
        expect(code, output).toBe(0)
      },
      sql,
    }),
    { streams: true },
  )

  test.skipIf(!redis)(`what a tenant is limited to is counted over all tasks together${redis ? '' : ' (skipped: no TEST_REDIS_URL)'}`, async () => {
    const ada = await createCaller(worker)
    await sql(`update tenants set limits = '{"request_rate":"4/h"}' where tenant_id = $1::integer`, [ada.tenantId])
    const statuses = []
    // guide, usage and tenants in turn
    for (const path of ['/stats', '/v1/namespaces', '/v1/keys', '/stats', '/v1/namespaces', '/v1/keys']) statuses.push((await call(ada, 'GET', path)).status)
    expect(statuses).toEqual([200, 200, 200, 200, 429, 429])
  })

  test('each service is alive, as its image asks, and ready; where nobody listens it is not', async () => {
    const ask = (name: string, port: string) => containers.run(name, { PORT: port }, containers.image.alive)
    for (const [name, { port }] of running) {
      expect([name, (await ask(name, port)).code]).toEqual([name, 0])
      expect([name, (await fetch(`${urlOf(name)}/readyz`)).status]).toEqual([name, 200])
      const metrics = await fetch(`${urlOf(name)}/metrics`, { headers: { authorization: `Bearer ${metricsToken}` } })
      expect(await metrics.text()).toMatch(/^circuit_breaker_state\{tenant="default",state="open"\} 0$/m)
    }
    expect((await ask('store', '1')).code).toBe(1)
  })

  test.each(jobs.filter(({ archives }) => !archives))('the job $name ends with 0 and says what it has done', async ({ name }) => {
    const { code, output } = await job(name)
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/"done":\d+/) })
  })

  test("compose's workers run each scheduled job until SIGTERM", async () => {
    const scheduled = jobs.filter(({ everySeconds }) => everySeconds !== null)
    const ada = await createCaller(worker)
    const { id } = (await call(ada, 'POST', '/v1/memories', { text: 'drained by its schedule' })).body
    const workers = await Promise.all(scheduled.map(async ({ name }) => ({ name, ...(await containers.start(name)) })))
    while ((await call(ada, 'GET', `/v1/memories/${id}`)).body.index_state !== 'indexed') await sleep(100)
    for (const { child } of workers) child.kill('SIGTERM')
    for (const { name, child } of workers) expect([name, await exitOf(child)]).toEqual([name, 0])
  })

  test('what one task backs up into S3, another restores into an empty database', async () => {
    const { output } = await job('backup')
    const [, name = ''] = /"detail":\{"name":"([^"]+)"/.exec(output) ?? []
    await sql('create database restored owner soma_migrator')
    const restored = Object.assign(new URL(containers.adminUrl), { pathname: '/restored' }).href
    await sql('create extension vector; alter schema public owner to soma_migrator', [], restored)
    expect((await job('migrate', { POSTGRES_MIGRATION_URL: containers.urlOf('soma_migrator', 'restored') })).code).toBe(0)
    const done = await job('restore', { POSTGRES_MIGRATION_URL: containers.urlOf('soma_migrator', 'restored'), RESTORE_FROM: name })
    expect(done.code, done.output).toBe(0)
    for (const table of ['memories', 'memory_versions', 'vectors', 'memory_events']) {
      const [count, expected] = await Promise.all([restored, containers.adminUrl].map((url) => sql<{ n: number }>(`select count(*)::integer as n from ${table}`, [], url)))
      expect([table, count]).toEqual([table, expected])
      expect(count?.[0]?.n).toBeGreaterThan(0)
    }
  })

  test("compose's router hands each request to its task, streams, and says when a task is away", async () => {
    const away = { FUNCTION_USAGE: 'http://127.0.0.1:1' }
    const targets = Object.fromEntries([...running].map(([name]) => [`FUNCTION_${name.toUpperCase().replaceAll('-', '_')}`, urlOf(name)]))
    const { port, child } = await containers.start('router', { ...targets, ...away })
    const ada = await createCaller(worker)
    const send = async (...given: [method: string, path: string, body?: unknown, headers?: Record<string, string>]) =>
      answerOf(await fetch(requestOf(`http://127.0.0.1:${port}`, ada, ...given)))
    const { id } = (await send('POST', '/v1/memories', { text: 'by the router' })).body
    expect((await send('GET', `/v1/memories/${id}`)).body.text).toBe('by the router')
    const exported = await send('GET', '/v1/export?all_namespaces=true')
    expect((await send('POST', '/v1/import', exported.text, { 'content-type': 'application/x-ndjson' })).status).toBe(200)
    expect([(await send('GET', '/healthz')).status, (await send('GET', '/nothing')).status, (await send('DELETE', '/v1/recall')).status]).toEqual([200, 404, 405])
    const refused = await send('GET', '/v1/usage')
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([503, 'unavailable', '1'])
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
  })

  test('no process writes to its image, and SIGTERM ends each in order', async () => {
    const tried = await containers.run('store', {}, ['node', '-e', "require('fs').writeFileSync('functions/x', '')"])
    expect([tried.code, tried.output]).toEqual([1, expect.stringMatching(/EACCES|EPERM|EROFS/)])
    expect(containers.image.user).toBe('node')
    for (const { child } of running.values()) child.kill('SIGTERM')
    for (const [name, { child }] of running) expect([name, await exitOf(child)]).toEqual([name, 0])
  })
})
