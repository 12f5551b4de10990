import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { asAdmin, type Caller, describeEngines, requestOf } from '../support/engines.ts'
import { gatewayEvent } from '../support/gateway.ts'
import { exitOf, freePort, runProcess, startProcess, untilLine } from './processes.ts'

const gateway = (caller: Caller | null, method: string, path: string, body?: unknown) => gatewayEvent(requestOf('https://api.example', caller, method, path, body))
/** An event of an Application Load Balancer, body in base64. */
function balancer(caller: Caller, httpMethod: string, path: string, body?: unknown) {
  const headers = { host: 'lb.example', 'content-type': 'application/json', 'x-api-key': caller.key }
  const encoded = body === undefined ? '' : Buffer.from(JSON.stringify(body)).toString('base64')
  return {
    requestContext: { elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:x' } },
    httpMethod,
    path,
    queryStringParameters: {},
    headers,
    body: encoded,
    isBase64Encoded: true,
  }
}
type LambdaAnswer = { statusCode: number; headers: Record<string, string>; body: string }

describeEngines(
  'the deployed entries',
  (product) => {
    const url = () => product().local.config.POSTGRES_URL as string
    const env = (more: Record<string, string> = {}) => ({ STAGE: 'dev', LOG_LEVEL: 'info', POSTGRES_URL: url(), SIGNING_KEY: 'a key of sixteen characters', ...more })
    const task = (name: string) => [`functions/${name}/task.ts`]

    async function lambdas(...calls: [string, unknown][]) {
      const { code, stdout, stderr } = await runProcess(['test/http/call-lambda.ts', JSON.stringify(calls)], env({ LOG_LEVEL: 'error' }))
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      return JSON.parse(stdout)
    }

    test('as Lambdas: what store took, drain-outbox publishes and recall finds, behind API Gateway and a load balancer', async () => {
      const ada = await product().tenant()
      const [stored, report, found, byBalancer, refused, missing]: [LambdaAnswer, object, LambdaAnswer, LambdaAnswer, LambdaAnswer, LambdaAnswer] = await lambdas(
        ['store', await gateway(ada, 'POST', '/v1/memories', { text: 'Ada prefers tea — ☕' })],
        ['drain-outbox', {}],
        ['recall', await gateway(ada, 'POST', '/v1/recall', { query: 'tea' })],
        ['guide', balancer(ada, 'POST', '/recall', { query: 'tea ☕' })],
        ['store', await gateway(null, 'POST', '/v1/memories', { text: 'x' })],
        ['memories', await gateway(ada, 'GET', '/v1/memories/nothing?x=1')],
      )
      expect(stored).toMatchObject({ statusCode: 201, headers: { etag: '"1"', 'content-type': 'application/json', 'x-request-id': expect.any(String) } })
      const memory = JSON.parse(stored.body)
      expect(report).toMatchObject({ remaining: false, detail: { failed: 0 } })
      expect(JSON.parse(found.body).results).toMatchObject([{ id: memory.id, text: 'Ada prefers tea — ☕', index_state: 'indexed' }])
      expect(JSON.parse(byBalancer.body).matches).toEqual([{ text: 'Ada prefers tea — ☕' }])
      expect([refused.statusCode, JSON.parse(refused.body).code]).toEqual([401, 'unauthenticated'])
      expect([missing.statusCode, JSON.parse(missing.body).code]).toEqual([422, 'invalid'])
    })

    test('as a Lambda a record handler names the records that failed by their index, and applies the others', async () => {
      const ada = await product().tenant()
      const event = {
        event_id: crypto.randomUUID(),
        id: crypto.randomUUID(),
        namespace: 'default',
        type: 'created',
        timestamp: new Date().toISOString(),
        payload: { a: 1 },
        tenant_id: ada.tenant,
        version: 1,
        generation: 1,
      }
      const record = (value: string) => ({ topic: 'memory.events', key: 'k', headers: {}, value })
      const records = [
        record(JSON.stringify(event)),
        record('{"half":'),
        record(JSON.stringify({ ...event, extra: 1 })),
        record(JSON.stringify({ ...event, tenant_id: 'nobody' })),
        record(JSON.stringify(event)),
      ]
      const [{ failures }] = await lambdas(['project-events', { records }])
      expect(failures.map((one: { index: number; poison: boolean }) => [one.index, one.poison]).sort()).toEqual([1, 2, 3].map((index) => [index, true]))
      const rows = await product().local.db.owner.maintenance((sql) => sql.query('select payload from memory_events where tenant_id = $1::integer', [ada.tenantId]))
      expect(rows).toEqual([{ payload: { a: 1 } }])
    })

    test('as a task drain-outbox publishes what there is once and exits 0', async () => {
      const ada = await product().tenant()
      product().local.jobs.wake = () => {}
      await product().call(ada, 'POST', '/v1/memories', { text: 'to be published' })
      const { code, stderr } = await runProcess(task('drain-outbox'), env())
      expect(code, stderr).toBe(0)
      const rows = await product().local.db.owner.maintenance((sql) => sql.query('select o.status from outbox o where o.tenant_id = $1::integer', [ada.tenantId]))
      expect(rows).toEqual([{ status: 'sent' }])
    })

    test('a handler refuses to start on an old schema and says what to run; the migrate task mends it', async () => {
      const name = `soma_test_${randomBytes(6).toString('hex')}`
      const admin = product().adminUrl as string
      const at = (base: string) => Object.assign(new URL(base), { pathname: `/${name}` }).href
      await asAdmin(admin, (client) => client.query(`create database ${name}`))
      try {
        const port = await freePort()
        const here = env({ POSTGRES_URL: at(url()), POSTGRES_MIGRATION_URL: at(admin), PORT: port })
        for (const entry of ['store', 'recall', 'index-vectors', 'drain-outbox', 'sweep']) {
          const { code, stderr } = await runProcess(task(entry), here)
          expect({ entry, code, stderr }).toEqual({ entry, code: 1, stderr: expect.stringContaining('npx soma migrate') })
        }
        const migrated = await runProcess(task('migrate'), here)
        expect(migrated.code, migrated.stderr).toBe(0)
        expect((await runProcess(task('migrate'), here)).code).toBe(0)
        const child = startProcess(task('recall'), here)
        await untilLine(child, /"listening"/)
        child.kill('SIGTERM')
        expect(await exitOf(child)).toBe(0)
      } finally {
        await asAdmin(admin, (client) => client.query(`drop database ${name} with (force)`))
      }
    }, 90_000)

    test('a handler refuses a login that is a superuser, or may not act as its role, and a missing signing key', async () => {
      const stranger = `stranger_${randomBytes(6).toString('hex')}`
      const admin = product().adminUrl as string
      await asAdmin(admin, (client) => client.query(`create role ${stranger} login password 'test'`))
      try {
        const asStranger = Object.assign(new URL(admin), { username: stranger, password: 'test' }).href
        const refusals: [string, Record<string, string>, RegExp][] = [
          ['store', { POSTGRES_URL: admin }, /superuser/],
          ['drain-outbox', { POSTGRES_URL: admin }, /superuser/],
          ['store', { POSTGRES_URL: asStranger }, /soma_app/],
          ['drain-outbox', { POSTGRES_URL: asStranger }, /soma_worker/],
          ['store', { SIGNING_KEY: '' }, /SIGNING_KEY/],
          ['store', { POSTGRES_URL: '' }, /POSTGRES_URL/],
          ['store', { PORT: 'http' }, /PORT/],
        ]
        for (const [entry, more, message] of refusals) {
          const { code, stderr } = await runProcess(task(entry), env(more))
          expect({ entry, more, code, stderr }).toEqual({ entry, more, code: 1, stderr: expect.stringMatching(message) })
          expect(stderr).not.toContain(new URL(admin).password)
        }
      } finally {
        await asAdmin(admin, (client) => client.query(`drop role ${stranger}`))
      }
    }, 90_000)
  },
  ['postgres 18', 'postgres 16'],
)
