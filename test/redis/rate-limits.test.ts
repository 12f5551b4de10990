import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningRedis, startRedis } from '../../local/services/redis.ts'
import { until } from '../kafka/broker.ts'
import { type Answer, type Caller, openProduct, type Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { openTwin, type Twin } from './twin.ts'

const postgres = requireService('POSTGRES_URL')
const available = requireService('TEST_REDIS_URL')

describe.skipIf(!postgres || !available)('rate limits that two processes share through Redis', () => {
  // a server of this file's own, since it is killed
  let redis: RunningRedis
  let product: Product
  let twin: Twin
  let close: () => Promise<void>
  beforeAll(async () => {
    redis = await startRedis()
    const environment = { REDIS_URL: redis.url, RATE_LIMIT_TENANT: '20/h' }
    const opened = await openProduct('postgres 18', postgres, environment)
    product = opened.product
    close = opened.close
    twin = await openTwin(product, environment)
  })
  afterAll(async () => {
    await twin?.close()
    await close?.()
    await redis?.stop()
  })
  const read = (caller: Caller, through: Pick<Product, 'call'> = product): Promise<Answer> => through.call(caller, 'GET', '/stats')
  /** So many requests, through both in turn. */
  const readMany = (caller: Caller, times: number) => Promise.all(Array.from({ length: times }, (_, i) => read(caller, i % 2 ? twin : product)))
  const statuses = (answers: Answer[]) => Object.fromEntries([...Map.groupBy(answers, ({ status }) => status)].map(([status, list]) => [status, list.length]))
  const states = async () => (await product.call(null, 'GET', '/metrics')).text.split('\n').filter((line) => /^(circuit|dependency)_breaker_state.* 1$/.test(line))
  const keys = async () => (await redis.command('--raw', 'keys', '*')).split('\n').filter(Boolean)

  test('together they allow what the tenant may, and no more', async () => {
    const caller = await product.tenant()
    expect(statuses(await readMany(caller, 50))).toEqual({ 200: 20, 429: 30 })
    const refused = await read(caller)
    expect(refused.body).toMatchObject({ code: 'rate_limited', detail: expect.stringMatching(/^Requests of this tenant are limited to 20 in 3600 s: wait \d+ s\.$/) })
    expect(refused.headers.get('ratelimit-policy')).toBe('"tenant";q=20;w=3600')
    expect(refused.headers.get('ratelimit')).toMatch(/^"tenant";r=0;t=\d+$/)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3000)
    // another tenant is not held up, nor is what needs no tenant
    expect((await read(await product.tenant())).headers.get('ratelimit')).toMatch(/^"tenant";r=19;t=\d+$/)
    expect((await product.call(null, 'GET', '/healthz')).headers.get('ratelimit')).toBeNull()
  })

  test('the keys name the installation, its generation and the tenant; a restore begins anew', async () => {
    const caller = await product.tenant()
    const [installation] = await product.local.db.owner.maintenance((sql) =>
      sql.query<{ id: string; generation: number }>('select installation_id as id, generation from installation'),
    )
    await read(caller)
    expect(await keys()).toContain(`soma:${installation?.id}:${installation?.generation}:tenant:3600:${caller.tenantId}`)
    expect(Number(await redis.command('ttl', `soma:${installation?.id}:${installation?.generation}:tenant:3600:${caller.tenantId}`))).toBeGreaterThan(0)
    await product.local.db.owner.maintenance((sql) => sql.query('update installation set generation = generation + 1'))
    await until(async () => {
      await read(caller)
      return (await keys()).includes(`soma:${installation?.id}:${(installation?.generation ?? 0) + 1}:tenant:3600:${caller.tenantId}`)
    })
  })

  test('flushed, killed and restarted while requests go on: none fails, and afterwards the limit holds again', async () => {
    const answers: Answer[] = []
    let going = true
    let latest = await product.tenant()
    const traffic = async () => {
      // what is refused in the process alone never waits for anything: the loop gives way by itself
      for (; going; await setImmediate()) answers.push(...(await readMany(latest, 4)))
    }
    const underWay = [traffic(), traffic()]
    for (let round = 0; round < 3; round++) {
      const before = answers.length
      await redis.command('flushall')
      await redis.command('script', 'flush')
      await redis.kill()
      await until(() => answers.length > before + 40)
      latest = await product.tenant()
      await redis.restart()
      latest = await product.tenant()
      await until(async () => (await keys()).length > 0)
    }
    going = false
    await Promise.all(underWay)
    expect(Object.keys(statuses(answers)).sort()).toEqual(['200', '429'])
    // a key in Redis says that one of the two is back
    const isBack = async (one: Pick<Product, 'call'>) => (await one.call(null, 'GET', '/health')).body.components.redis.ok as boolean
    await until(async () => (await isBack(product)) && (await isBack(twin)))
    const caller = await product.tenant()
    expect(statuses(await readMany(caller, 50))).toEqual({ 200: 20, 429: 30 })
  })

  test('one that is full, or lets nobody write, refuses no request', async () => {
    const { port } = new URL(redis.url)
    for (const [sick, well] of [
      [
        ['config', 'set', 'maxmemory', '1'],
        ['config', 'set', 'maxmemory', '0'],
      ],
      [
        ['replicaof', '127.0.0.1', port],
        ['replicaof', 'no', 'one'],
      ],
    ] as const) {
      await redis.command(...sick)
      const caller = await product.tenant()
      expect(statuses(await readMany(caller, 12))).toEqual({ 200: 12 })
      expect((await keys()).filter((key) => key.endsWith(`:tenant:3600:${caller.tenantId}`))).toEqual([])
      await redis.command(...well)
      await until(async () => {
        const another = await product.tenant()
        await read(another)
        return (await keys()).some((key) => key.endsWith(`:tenant:3600:${another.tenantId}`))
      })
    }
  })

  test('while it hangs, requests are answered all the same, and counted in the process', async () => {
    const caller = await product.tenant()
    redis.freeze()
    try {
      expect(statuses(await readMany(caller, 100))).toEqual({ 200: 40, 429: 60 })
      await until(async () => (await product.call(null, 'GET', '/health')).body.components.redis.ok === false)
      const health = await product.call(null, 'GET', '/health')
      expect(health).toMatchObject({ status: 200, body: { status: 'degraded', ready: true } })
      expect(health.body.components.redis.detail).toBe('it cannot be used; the reason is in the log. Look at REDIS_URL; `npx soma doctor` tells more')
      expect((await product.call(null, 'GET', '/readyz')).status).toBe(200)
      expect(await states()).toEqual(['circuit_breaker_state{tenant="default",state="open"} 1', 'dependency_breaker_state{dependency="redis",state="open"} 1'])
    } finally {
      redis.thaw()
    }
    await until(async () => (await product.call(null, 'GET', '/health')).body.status === 'ok')
    expect(await states()).toEqual(['circuit_breaker_state{tenant="default",state="closed"} 1', 'dependency_breaker_state{dependency="redis",state="closed"} 1'])
  })
})
