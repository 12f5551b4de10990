import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { adminSql, loseWakeUps } from '../db/admin.ts'
import { type Caller, describeEngines, requestOf } from '../support/engines.ts'
import { gatewayEvent } from '../support/gateway.ts'
import { runProcess } from './processes.ts'

type Invoked = { name: string; payload: unknown }
const armer = 'soma-dev-arm-sweeps'

/** Functions as a stage that rests has them, on a real Postgres; Lambda's Invoke API is a server on loopback. */
describeEngines(
  'functions where a stage rests',
  (product) => {
    let invoked: Invoked[] = []
    let answer: (one: Invoked, response: ServerResponse) => unknown
    const taken = (_: Invoked, response: ServerResponse) => response.writeHead(202).end()
    const server = createServer(async (request, response) => {
      const [, name = ''] = /functions\/([^/]+)\/invocations/.exec(request.url ?? '') ?? []
      const one = { name, payload: await json(request) }
      invoked.push(one)
      answer(one, response)
    })
    beforeAll(async () => {
      await loseWakeUps(product())
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    })
    afterAll(() => {
      server.closeAllConnections()
      server.close()
    })
    beforeEach(() => {
      invoked = []
      answer = taken
    })

    /** A sandbox that is called so often and is never thawed again. */
    async function sandbox(calls: [name: string, event: unknown][], more: Record<string, string> = {}) {
      const environment = {
        STAGE: 'dev',
        LOG_LEVEL: 'warn',
        POSTGRES_URL: product().local.config.POSTGRES_URL as string,
        SIGNING_KEY: 'a key of sixteen characters',
        FUNCTION_DRAIN_OUTBOX: 'soma-drain',
        FUNCTION_ARM_SWEEPS: armer,
        AWS_ENDPOINT_URL_LAMBDA: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        AWS_REGION: 'eu-west-1',
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
        ...more,
      }
      return runProcess(['test/http/call-lambda.ts', JSON.stringify(calls)], environment)
    }
    const storeOf = async (caller: Caller, body: Record<string, unknown>) =>
      ['store', await gatewayEvent(requestOf('https://api.example', caller, 'POST', '/v1/memories', body))] as [string, unknown]
    const armings = () => invoked.filter(({ name }) => name === armer).map(({ payload }) => payload)

    test('a store wakes the drain and has a sweep armed, once in a minute', async () => {
      const ada = await product().tenant()
      const { code, stdout } = await sandbox([await storeOf(ada, { text: 'tea' }), await storeOf(ada, { text: 'coffee' })])
      expect([code, JSON.parse(stdout)]).toMatchObject([0, [{ statusCode: 201 }, { statusCode: 201 }]])
      expect(invoked.filter(({ name }) => name === 'soma-drain')).toHaveLength(2)
      // two, if the minute was over between them
      expect(new Set(armings().map((one) => JSON.stringify(one)))).toEqual(new Set(['{"job":"drain-outbox"}']))
      expect(armings().length).toBeLessThanOrEqual(2)
    })

    test('a store neither fails nor waits for ever where the armer does not answer, and the log says so', async () => {
      answer = (one, response) => one.name === armer || taken(one, response)
      const { code, stdout, stderr } = await sandbox([await storeOf(await product().tenant(), { text: 'tea' })])
      expect([code, JSON.parse(stdout)]).toMatchObject([0, [{ statusCode: 201 }]])
      const [line] = stderr.split('\n').flatMap((text) => (text.includes('a sweep was not armed') ? [JSON.parse(text)] : []))
      expect(line).toMatchObject({ job: 'drain-outbox', lost: 1 })
    })

    test('a drain whose consumer is broken comes back for what it could not deliver, and at last leaves nothing', async () => {
      const ada = await product().tenant()
      await product().call(ada, 'POST', '/v1/memories', { text: 'tea' })
      let broken = true
      const consumers = { FUNCTION_INDEX_VECTORS: 'soma-index', FUNCTION_PROJECT_EVENTS: 'soma-project' }
      answer = (one, response) => {
        if (one.name === armer) return taken(one, response)
        const failed = broken ? { 'x-amz-function-error': 'Unhandled' } : {}
        return response.writeHead(200, { 'content-type': 'application/json', ...failed }).end('{"failures":[]}')
      }
      expect((await sandbox([['drain-outbox', { sweep: { fruitless: 1 } }]], consumers)).code).toBe(0)
      expect(armings()).toEqual([{ job: 'drain-outbox', left: { seconds: expect.any(Number), fruitless: 2 } }])
      // of the tenants of the other tests too
      await adminSql(product(), `update outbox set next_attempt_at = now() where status = 'pending'`)
      await adminSql(product(), `update outbox_ready set not_before = now()`)
      broken = false
      invoked = []
      expect((await sandbox([['drain-outbox', {}]], consumers)).code).toBe(0)
      expect(armings()).toEqual([])
    })

    test('the rows of a drain that was killed, memories that expire and operations that are open are due when they are', async () => {
      const ada = await product().tenant()
      const insert = `insert into operations (tenant_id, operation_id, kind, actor, state, lease_owner, lease_expires_at) values ($1::integer, gen_random_uuid(), 'forget', 'test', 'running', gen_random_uuid(), now() + interval '100 seconds')`
      await adminSql(product(), insert, [ada.tenantId])
      await product().call(ada, 'POST', '/v1/memories', { text: 'tea', ttl_seconds: 3600 })
      // as a drain leaves them that is killed behind its claim
      await adminSql(product(), `update outbox set status = 'leased', lease_expires_at = now() + interval '60 seconds', attempts = 1 where tenant_id = $1::integer`, [ada.tenantId])
      await adminSql(product(), `update outbox_ready set not_before = now() + interval '61 seconds' where tenant_id = $1::integer`, [ada.tenantId])
      await sandbox(['drain-outbox', 'expire', 'run-operations', 'rollup-usage'].map((job) => [job, {}]))
      const told = armings() as { job: string; left: { seconds: number; fruitless: number } }[]
      expect(told.map(({ job }) => job)).toEqual(['drain-outbox', 'expire', 'run-operations'])
      for (const [index, most] of [61, 3600, 100].entries()) {
        expect(told[index]?.left.seconds).toBeGreaterThan(most === 3600 ? 3000 : 0)
        expect(told[index]?.left.seconds).toBeLessThanOrEqual(most)
      }
    })

    test('a job that cannot start, as its database does not wake up in time, is tried again', async () => {
      const { code } = await sandbox([['expire', {}]], { POSTGRES_URL: 'postgres://nobody@127.0.0.1:1/none' })
      expect(code).not.toBe(0)
      expect(armings()).toEqual([{ job: 'expire', left: { seconds: 0, fruitless: 1 } }])
    })
  },
  ['postgres 18'],
)
