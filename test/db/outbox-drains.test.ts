import { createHash } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import type { EventRecord } from '../../shared/handler/index.ts'
import { drainOutbox } from '../../shared/outbox/index.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { adminSql, capture, killedDrain, loseWakeUps, passTime, queueRows } from './admin.ts'

const seed = 'outbox drains, 1'
const drains = 8
const numberOf = (record: EventRecord) => Number(JSON.parse(record.value as string).payload.n)
/** Every hundredth row is refused for ever; of the others 30 % of the attempts, whoever makes them and in whatever order. */
const isRefused = (n: number) => n % 100 === 0
const fails = (n: number, attempt: number) => isRefused(n) || createHash('sha256').update(`${seed} ${n} ${attempt}`).digest().readUInt32BE() / 2 ** 32 < 0.3

/** Eight drains at once over one transport, which fails as the seed says and notes what it acknowledged. */
function failingTransport(product: Product) {
  const attempts = new Map<number, number>()
  const acknowledged: number[] = []
  const one = () =>
    capture(product, (record) => {
      const n = numberOf(record)
      const attempt = (attempts.get(n) ?? 0) + 1
      attempts.set(n, attempt)
      if (fails(n, attempt)) return 'refused'
      acknowledged.push(n)
      return null
    })
  const signal = new AbortController().signal
  return { attempts, acknowledged, drainAll: () => Promise.all(Array.from({ length: drains }, () => drainOutbox(one().deps, signal))) }
}

const statuses = (product: Product, caller: Caller) =>
  adminSql<{ status: string; n: number[] }>(
    product,
    `select status, array_agg((body->'payload'->>'n')::integer order by seq) as n from outbox where tenant_id = $1::integer group by status order by status`,
    [caller.tenantId],
  )

describeEngines(
  'many drains at once',
  (product) => {
    beforeAll(() => loseWakeUps(product()))

    test('eight of them over a transport that fails 30 % of the time: each row is acknowledged once and says so, or is dead after ten refusals, and none stays leased', {
      timeout: 120_000,
    }, async () => {
      const tenants = [await product().tenant(), await product().tenant(), await product().tenant()]
      const rows = 700
      for (const one of tenants) await queueRows(product(), one, rows)
      const transport = failingTransport(product())
      for (let round = 1; round <= 40; round++) {
        await transport.drainAll()
        const left = (await Promise.all(tenants.map((one) => statuses(product(), one)))).flat()
        expect(left.map(({ status }) => status)).not.toContain('leased')
        if (!left.some(({ status }) => status === 'pending')) break
        for (const one of tenants) await passTime(product(), one)
      }
      const numbers = Array.from({ length: rows }, (_, i) => i + 1)
      for (const one of tenants)
        expect(await statuses(product(), one)).toEqual([
          { status: 'dead', n: numbers.filter(isRefused) },
          { status: 'sent', n: numbers.filter((n) => !isRefused(n)) },
        ])
    })

    test('no row is published a second time after its acknowledgement, and a refused one exactly ten times', async () => {
      const ada = await product().tenant()
      await queueRows(product(), ada, 600)
      const transport = failingTransport(product())
      for (let round = 1; round <= 40; round++) {
        await transport.drainAll()
        await passTime(product(), ada)
      }
      expect(transport.acknowledged.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 600 }, (_, i) => i + 1).filter((n) => !isRefused(n)))
      expect([...transport.attempts].filter(([n]) => isRefused(n)).map(([, attempts]) => attempts)).toEqual([10, 10, 10, 10, 10, 10])
    })

    test('one that is killed, again and again, is followed by another: the row is sent when one of them lives', async () => {
      const ada = await product().tenant()
      await queueRows(product(), ada, 450)
      for (let death = 1; death <= 3; death++) {
        await killedDrain(product(), ada)
        await passTime(product(), ada)
      }
      const living = capture(product())
      await living.drain()
      expect(living.of(ada).map(numberOf)).toEqual(Array.from({ length: 450 }, (_, i) => i + 1))
      expect((await statuses(product(), ada)).map(({ status }) => status)).toEqual(['sent'])
    })

    test('a tenant with 100,000 rows delays the ten of another by two batches at most, also where they come while it is served', { timeout: 120_000 }, async () => {
      const [ada, bob, eve] = [await product().tenant(), await product().tenant(), await product().tenant()]
      await queueRows(product(), ada, 100_000)
      await queueRows(product(), bob, 10)
      const outbox = capture(product())
      const { publish } = outbox.deps.publisher
      const served: string[] = []
      const ending = new AbortController()
      outbox.deps.publisher = {
        name: 'recording',
        async publish(records) {
          const tenant = records[0]?.headers['tenant-id'] as string
          served.push(tenant)
          if (served.length === 20) await queueRows(product(), eve, 10)
          if (tenant === eve.tenant) ending.abort()
          return publish(records)
        },
      }
      await drainOutbox(outbox.deps, ending.signal)
      const batchesBefore = (caller: Caller, from: number) => served.slice(from).indexOf(caller.tenant)
      expect(outbox.of(bob)).toHaveLength(10)
      expect(outbox.of(eve)).toHaveLength(10)
      expect(batchesBefore(bob, 0)).toBeLessThanOrEqual(2)
      // the batch during which they came was begun already
      expect(batchesBefore(eve, 20)).toBeLessThanOrEqual(1)
      expect(served.filter((tenant) => tenant === ada.tenant).length).toBeGreaterThanOrEqual(17)
    })

    test('a broker that is away, for however long, makes nothing dead, and is asked once a drain', async () => {
      const { call, tenant } = product()
      const [ada, bob] = [await tenant(), await tenant()]
      for (const one of [ada, bob]) await call(one, 'POST', '/v1/memories', { text: 'waits for the broker' })
      const outbox = capture(product())
      let asked = 0
      outbox.deps.publisher = {
        name: 'away',
        async publish(records) {
          asked += 1
          return records.map((_, index) => ({ index, poison: false, away: true, error: new Error('no broker answers') }))
        },
      }
      const drains = 12
      for (let i = 0; i < drains; i++) {
        await outbox.drain()
        for (const one of [ada, bob]) await passTime(product(), one)
      }
      expect(asked).toBe(drains)
      const waiting = await adminSql(product(), 'select status, attempts, last_error from outbox where tenant_id = any ($1::integer[]) order by last_error', [
        [ada.tenantId, bob.tenantId],
      ])
      // who was not asked has no error
      expect(waiting).toMatchObject([
        { status: 'pending', attempts: 0, last_error: 'no broker answers' },
        { status: 'pending', attempts: 0 },
      ])
      for (const one of [ada, bob]) await passTime(product(), one)
      const back = capture(product())
      await back.drain()
      expect([...back.of(ada), ...back.of(bob)]).toHaveLength(2)
    })
  },
  ['postgres 18', 'postgres 16'],
)
