import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { asAdmin, describeEngines, requestOf } from '../support/engines.ts'
import { gatewayEvent } from '../support/gateway.ts'
import { exitOf, freePort, runProcess, startProcess, untilLine } from './processes.ts'

describeEngines(
  'the hosts',
  (product) => {
    test('a store as Lambda has handed its wake-up over when it answers, since the sandbox is frozen from then on', async () => {
      const invoked: unknown[] = []
      const lambdaService = createServer((request, response) => {
        invoked.push([request.method, request.url, request.headers['x-amz-invocation-type']])
        response.writeHead(202).end()
      }).listen(0, '127.0.0.1')
      await once(lambdaService, 'listening')
      const ada = await product().tenant()
      const event = await gatewayEvent(requestOf('https://api.example', ada, 'POST', '/v1/memories', { text: 'to be drained soon' }))
      const environment = {
        STAGE: 'dev',
        LOG_LEVEL: 'error',
        POSTGRES_URL: product().local.config.POSTGRES_URL as string,
        SIGNING_KEY: 'a key of sixteen characters',
        FUNCTION_DRAIN_OUTBOX: 'soma-drain',
        AWS_ENDPOINT_URL_LAMBDA: `http://127.0.0.1:${(lambdaService.address() as AddressInfo).port}`,
        AWS_REGION: 'eu-west-1',
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
      }
      // the process ends itself as soon as the handler has answered
      const { code, stdout } = await runProcess(['test/http/call-lambda.ts', JSON.stringify([['store', event]])], environment)
      lambdaService.close()
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject([{ statusCode: 201 }])
      expect(invoked).toEqual([['POST', '/2015-03-31/functions/soma-drain/invocations', 'Event']])
    })

    test('a recall as Lambda has written what it used when it answers, since the sandbox may never be thawed', async () => {
      const ada = await product().tenant()
      const event = await gatewayEvent(requestOf('https://api.example', ada, 'POST', '/v1/recall', { query: 'tea time', mode: 'vector' }))
      const environment = { STAGE: 'dev', LOG_LEVEL: 'error', POSTGRES_URL: product().local.config.POSTGRES_URL as string, SIGNING_KEY: 'a key of sixteen characters' }
      // the process ends itself as soon as the last handler has answered, as a sandbox that is reclaimed
      const answered = async (events: unknown[]) => {
        const { code, stdout } = await runProcess(['test/http/call-lambda.ts', JSON.stringify(events.map((one) => ['recall', one]))], environment)
        expect(code).toBe(0)
        expect(JSON.parse(stdout)).toMatchObject(events.map(() => ({ statusCode: 200 })))
        return (await product().call(ada, 'GET', '/v1/usage')).body.totals
      }
      expect(await answered([event])).toMatchObject({ recalls: 1, embedded_tokens: 2 })
      // the first of a sandbox is written at once; of those within a second after it, the last may be lost with the sandbox
      const { recalls } = await answered(Array.from({ length: 10 }, () => event))
      expect(recalls).toBeGreaterThanOrEqual(2)
      expect(recalls).toBeLessThanOrEqual(11)
    })

    test('a recall task writes what it counted when it is told to end', async () => {
      const ada = await product().tenant()
      const port = await freePort()
      const { POSTGRES_URL } = product().local.config
      const child = startProcess(['functions/recall/task.ts'], { STAGE: 'dev', PORT: port, POSTGRES_URL: POSTGRES_URL as string, SIGNING_KEY: 'a key of sixteen characters' })
      try {
        await untilLine(child, /listening/)
        const body = JSON.stringify({ query: 'tea time', mode: 'vector' })
        const headers = { 'content-type': 'application/json', authorization: `Bearer ${ada.key}`, connection: 'close' }
        for (let i = 0; i < 3; i++) expect((await fetch(`http://127.0.0.1:${port}/v1/recall`, { method: 'POST', headers, body })).status).toBe(200)
      } finally {
        child.kill('SIGTERM')
      }
      expect(await exitOf(child)).toBe(0)
      expect((await product().call(ada, 'GET', '/v1/usage')).body.totals).toMatchObject({ recalls: 3, embedded_tokens: 6 })
    })

    test('a records task is ready with a login that may only be soma_worker', async () => {
      const name = `soma_worker_only_${randomBytes(4).toString('hex')}`
      const admin = product().adminUrl as string
      await asAdmin(admin, (client) => client.query(`create role ${name} login noinherit password 'test' in role soma_worker`))
      const url = Object.assign(new URL(admin), { username: name, password: 'test' }).href
      const port = await freePort()
      const child = startProcess(['functions/index-vectors/task.ts'], { STAGE: 'dev', PORT: port, POSTGRES_WORKER_URL: url })
      try {
        await untilLine(child, /listening/)
        const ready = await fetch(`http://127.0.0.1:${port}/readyz`)
        expect([ready.status, await ready.json()]).toMatchObject([200, { status: 'ok', components: { worker: { ok: true } } }])
      } finally {
        child.kill('SIGTERM')
      }
      expect(await exitOf(child)).toBe(0)
      await asAdmin(admin, (client) => client.query(`drop role ${name}`))
    })
  },
  ['postgres 18'],
)
