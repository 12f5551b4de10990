import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { armSweepsDeps } from '../../functions/arm-sweeps/deps.ts'
import { createArmSweeps } from '../../functions/arm-sweeps/handler.ts'
import { type Arming, createArmings, fruitlessOf } from '../../shared/arming/index.ts'
import { schedules } from '../../shared/aws/index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { s3Environment } from '../support/s3.ts'

type Asked = { path: string; body: Record<string, unknown> }
const roleArn = 'arn:aws:iam::123456789012:role/soma-sweeps'
const arnOf = (job: string) => `arn:aws:lambda:eu-west-1:123456789012:function:${job}`
const noon = Date.UTC(2026, 11, 1, 12)
const minutes = (count: number) => count * 60_000
/** EventBridge Scheduler's CreateSchedule as its API reference has it: POST /schedules/<Name>, and 409 for a name that is there. */
let server: Server
let asked: Asked[] = []
const there = new Map<string, Record<string, unknown>>()
let interfere: (response: ServerResponse, one: Asked) => boolean
let endpoint: string
let logged: unknown[] = []

const refuse = (response: ServerResponse, status: number, type: string) =>
  response.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': type }).end(JSON.stringify({ Message: 'no' }))

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const one = { path: request.url ?? '', body: (await json(request)) as Record<string, unknown> }
    asked.push(one)
    if (interfere(response, one)) return
    if (there.has(one.path)) return refuse(response, 409, 'ConflictException')
    there.set(one.path, one.body)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ScheduleArn: `arn:aws:scheduler:::${one.path}` }))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { S3_ENDPOINT: _, ...credentials } = s3Environment(endpoint.replace('//', '//key:secret@'))
  Object.assign(process.env, credentials)
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  asked = []
  logged = []
  there.clear()
  interfere = () => false
})

/** As the stack configures it, with the jobs and their rows of the manifest. */
function armer(now: () => number) {
  const names = ['drain-outbox', 'rollup-usage', 'expire', 'run-operations', 'sweep', 'reembed']
  const functions = Object.fromEntries(names.map((name) => [`FUNCTION_${name.toUpperCase().replaceAll('-', '_')}`, arnOf(name)]))
  const deps = armSweepsDeps(parseConfig({ STAGE: 'dev', SWEEP_GROUP: 'soma-dev', SWEEP_ROLE_ARN: roleArn, ...functions }), { info: (line: unknown) => void logged.push(line) })
  return createArmSweeps({ ...deps, schedule: schedules({ group: 'soma-dev', roleArn, endpoint }), now })
}

describe('the function that arms sweeps', () => {
  test('a store is swept in the second minute after it, by a schedule that is gone when it has invoked the job', async () => {
    await armer(() => noon + 1000)({ job: 'drain-outbox' })
    expect(asked.map(({ path }) => path).sort()).toEqual(['drain-outbox', 'expire', 'rollup-usage', 'sweep'].map((job) => `/schedules/${job}-20261201T1202`))
    expect(there.get('/schedules/drain-outbox-20261201T1202')).toEqual({
      ClientToken: expect.any(String),
      GroupName: 'soma-dev',
      ScheduleExpression: 'at(2026-12-01T12:02:00)',
      ScheduleExpressionTimezone: 'UTC',
      FlexibleTimeWindow: { Mode: 'OFF' },
      ActionAfterCompletion: 'DELETE',
      Target: {
        Arn: arnOf('drain-outbox'),
        RoleArn: roleArn,
        Input: '{"sweep":{"fruitless":0}}',
        RetryPolicy: { MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 300 },
      },
    })
  })

  test('a thousand stores of a minute arm once, whichever process is told, and one that is there is no failure', async () => {
    const one = armer(() => noon)
    for (let i = 0; i < 500; i++) await one({ job: 'drain-outbox' })
    expect(asked).toHaveLength(4)
    const other = armer(() => noon)
    const answers = []
    for (let i = 0; i < 500; i++) answers.push(await other({ job: 'drain-outbox' }))
    expect(answers[0]).toEqual({ armed: [], pending: expect.arrayContaining(['drain-outbox-20261201T1201', 'sweep-20261201T1201']) })
    expect(asked).toHaveLength(8)
    expect(there.size).toBe(4)
  })

  test('while stores go on the drain is swept each minute, and what is not urgent every five and once at the end', async () => {
    let now = noon
    const arm = armer(() => now)
    for (; now < noon + minutes(60); now += minutes(0.25)) await arm({ job: 'drain-outbox' })
    const many = Object.groupBy([...there.keys()], (path) => path.replace(/-\d.*/, ''))
    expect(Object.fromEntries(Object.entries(many).map(([path, all]) => [path, all?.length]))).toEqual({
      '/schedules/drain-outbox': 60,
      '/schedules/rollup-usage': 13,
      '/schedules/expire': 13,
      '/schedules/sweep': 13,
    })
  })

  test('what a run left is due in time, and never in a minute that may be over', async () => {
    const arm = armer(() => noon + 40_000)
    expect(await arm({ job: 'run-operations', left: { seconds: 0, fruitless: 0 } })).toEqual({ armed: ['run-operations-20261201T1202'], pending: [] })
    expect(await arm({ job: 'drain-outbox', left: { seconds: 61.5, fruitless: 1 } })).toEqual({ armed: ['drain-outbox-20261201T1202'], pending: [] })
    expect(there.get('/schedules/drain-outbox-20261201T1202')).toMatchObject({ Target: { Input: '{"sweep":{"fruitless":1}}' } })
  })

  test('memories that expire in the course of an hour wake the database once, after it', async () => {
    const arm = armer(() => noon)
    for (const seconds of [1, 600, 3599]) await arm({ job: 'expire', left: { seconds, fruitless: 1 } })
    expect([...there.keys()]).toEqual(['/schedules/expire-20261201T1300'])
    // what is left for want of time goes on at once
    expect((await arm({ job: 'expire', left: { seconds: 0, fruitless: 0 } })).armed).toEqual(['expire-20261201T1201'])
  })

  test('runs that find nothing are followed at growing distances, and in the end by the ticks alone', async () => {
    let now = noon
    let fruitless = 0
    const waits: number[] = []
    for (let left = true; left; ) {
      const { armed } = await armer(() => now)({ job: 'drain-outbox', left: { seconds: 1, fruitless: ++fruitless } })
      left = armed.length > 0
      const [minute] = armed.map((name) => Date.parse(name.replace(/.*(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)/, '$1-$2-$3T$4:$5Z')))
      if (minute !== undefined) waits.push((minute - now) / 60_000)
      now = minute ?? now
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256])
    expect(await armer(() => now)({ job: 'expire', left: { seconds: 6 * 3600 + 1, fruitless: 0 } })).toEqual({ armed: [], pending: [] })
  })

  test('it takes nothing but an arming, and arms no job that its row does not let be swept', async () => {
    const arm = armer(() => noon)
    for (const wrong of [null, {}, { job: 1 }, { job: 'drain-outbox', left: { seconds: -1, fruitless: 0 } }, { job: 'drain-outbox', arn: arnOf('restore') }])
      await expect(arm(wrong)).rejects.toThrow()
    for (const job of ['restore', 'migrate', '../x']) expect(await arm({ job, left: { seconds: 0, fruitless: 0 } })).toEqual({ armed: [], pending: [] })
    expect(asked).toEqual([])
  })

  test('a throttled call is tried again by the SDK', async () => {
    const throttled = new Set<string>()
    interfere = (response, { path }) => {
      if (throttled.has(path)) return false
      throttled.add(path)
      refuse(response, 429, 'ThrottlingException')
      return true
    }
    expect((await armer(() => noon)({ job: 'run-operations' })).armed).toEqual(['run-operations-20261201T1201'])
    expect(asked).toHaveLength(2)
  })

  test('what is refused is told with its reason, the others are armed all the same, and the next try arms the rest', async () => {
    interfere = (response, { path }) => {
      if (!path.includes('expire')) return false
      refuse(response, 400, 'ValidationException')
      return true
    }
    const arm = armer(() => noon)
    await expect(arm({ job: 'drain-outbox' })).rejects.toThrow(/1 of 4 sweeps after drain-outbox were not armed: ValidationException/)
    expect(there.size).toBe(3)
    interfere = () => false
    expect(await arm({ job: 'drain-outbox' })).toEqual({ armed: ['expire-20261201T1201'], pending: [] })
    expect(logged).toEqual([{ armed: ['expire-20261201T1201'], pending: [] }])
  })

  test('an API that does not answer is given up, so that Lambda tries again', async () => {
    interfere = () => true
    const hanging = schedules({ group: 'soma-dev', roleArn, endpoint, patienceMs: 50 })
    await expect(hanging({ name: 'sweep-1', at: new Date(noon), arn: arnOf('sweep'), input: {} })).rejects.toThrow()
    expect(there.size).toBe(0)
  })
})

describe('a function that tells it', () => {
  const log = { warn: (...line: unknown[]) => void logged.push(line) }
  const due = async () => null
  test('of many wake-ups within a minute the first is told, and one that could not be told does not count', async () => {
    let now = noon + 1
    let away = true
    const told: Arming[] = []
    const { woken } = createArmings({
      log,
      now: () => now,
      async tell(arming) {
        if (away) throw new Error('no way to Lambda')
        told.push(arming)
      },
    })
    await woken('drain-outbox')
    expect(logged).toMatchObject([[{ job: 'drain-outbox', lost: 1 }, expect.stringContaining('not armed')]])
    away = false
    for (let i = 0; i < 100; i++) await woken('drain-outbox')
    await woken('run-operations')
    now += minutes(1)
    await woken('drain-outbox')
    expect(told).toEqual([{ job: 'drain-outbox' }, { job: 'run-operations' }, { job: 'drain-outbox' }])
  })

  test.each([
    ['that found nothing and knows of nothing', { fruitless: 3, report: { done: 0, remaining: false }, due }, undefined],
    ['that was done and knows of more', { fruitless: 3, report: { done: 2, remaining: false }, due: async () => 61.5 }, { seconds: 61.5, fruitless: 0 }],
    ['that found nothing and knows of more', { fruitless: 3, report: { done: 0, remaining: false }, due: async () => -2 }, { seconds: 0, fruitless: 4 }],
    ['whose time was over', { fruitless: 3, report: { done: 0, remaining: true }, due }, { seconds: 0, fruitless: 0 }],
    ['that failed', { fruitless: 0, report: undefined, due }, { seconds: 0, fruitless: 1 }],
    ['that cannot say what is due', { fruitless: 0, report: { done: 1, remaining: false }, due: () => Promise.reject(new Error('away')) }, { seconds: 0, fruitless: 0 }],
  ])('after a run %s', async (_, run, left) => {
    const told: Arming[] = []
    await createArmings({ log, tell: async (arming) => void told.push(arming) }).ended('expire', run)
    expect(told).toEqual(left ? [{ job: 'expire', left }] : [])
  })

  test('what started a run is read with care', () => {
    expect([{ sweep: { fruitless: 2 } }, {}, null, 'x', { sweep: { fruitless: -1 } }, { source: 'aws.events' }].map(fruitlessOf)).toEqual([2, 0, 0, 0, 0, 0])
  })
})
