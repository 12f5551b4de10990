import { beforeAll, expect, test } from 'vitest'
import type { EventRecord } from '../../shared/handler/index.ts'
import { backoffSeconds } from '../../shared/outbox/index.ts'
import { type Caller, describeEveryEngine, type Product } from '../support/engines.ts'
import { adminSql, capture, killedDrain, loseWakeUps, passTime, queueRows } from './admin.ts'

type Row = { status: string; attempts: number; last_error: string | null; in_bounds: boolean; leased: boolean }
const rows = (product: Product, caller: Caller) =>
  adminSql<Row>(
    product,
    'select status, attempts, last_error, next_attempt_at <= now() + make_interval(secs => least(300, 2 ^ attempts)) as in_bounds, lease_owner is not null as leased from outbox where tenant_id = $1::integer order by seq',
    [caller.tenantId],
  )
const sent = { status: 'sent', last_error: null, leased: false }

describeEveryEngine('the outbox', (product) => {
  beforeAll(() => loseWakeUps(product()))

  test('a wake-up that was lost is made good by the next drain, and sent means acknowledged', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'waits' })
    expect(await rows(product(), ada)).toMatchObject([{ status: 'pending', attempts: 0 }])
    const outbox = capture(product())
    await outbox.drain()
    expect(await rows(product(), ada)).toMatchObject([{ ...sent, attempts: 1 }])
    await outbox.drain()
    expect(outbox.of(ada)).toHaveLength(1)
  })

  test('what the transport refuses waits with backoff, and is dead with its reason after ten attempts', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'refused' })
    const failing = capture(product(), () => 'the broker is away')
    for (let attempt = 1; attempt <= 9; attempt++) {
      await failing.drain(ada)
      expect(await rows(product(), ada)).toEqual([{ status: 'pending', attempts: attempt, last_error: 'the broker is away', in_bounds: true, leased: false }])
      await passTime(product(), ada)
    }
    await failing.drain(ada)
    expect(await rows(product(), ada)).toMatchObject([{ status: 'dead', attempts: 10, last_error: 'the broker is away', leased: false }])
    await passTime(product(), ada)
    const working = capture(product())
    await working.drain()
    expect(working.of(ada)).toEqual([])
  })

  test('nothing is tried again before its time', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'too early' })
    const failing = capture(product(), () => 'away')
    await failing.drain(ada)
    await adminSql(product(), `update outbox set next_attempt_at = now() + interval '1 hour' where tenant_id = $1::integer`, [ada.tenantId])
    const working = capture(product())
    await working.drain()
    expect(working.of(ada)).toEqual([])
    expect(await rows(product(), ada)).toMatchObject([{ status: 'pending', attempts: 1 }])
  })

  test('of two that wait for different times each has its turn, without any store in between', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    for (const text of ['soon', 'later']) await call(ada, 'POST', '/v1/memories', { text })
    await capture(product(), () => 'away').drain(ada)
    const wait = (seconds: number, position: string) =>
      adminSql(
        product(),
        `update outbox set next_attempt_at = now() + make_interval(secs => $2::integer) where tenant_id = $1::integer and seq = (select ${position}(seq) from outbox where tenant_id = $1::integer)`,
        [ada.tenantId, seconds],
      )
    await wait(-1, 'min')
    await wait(3600, 'max')
    await adminSql(product(), 'update outbox_ready set not_before = now() where tenant_id = $1::integer', [ada.tenantId])
    const outbox = capture(product())
    await outbox.drain()
    expect((await rows(product(), ada)).map(({ status }) => status)).toEqual(['sent', 'pending'])
    const [ready] = await adminSql<{ in_time: boolean }>(
      product(),
      `select coalesce(min(r.not_before) <= (select min(o.next_attempt_at) from outbox o where o.tenant_id = $1::integer and o.status = 'pending'), false) as in_time
       from outbox_ready r where r.tenant_id = $1::integer`,
      [ada.tenantId],
    )
    expect(ready).toEqual({ in_time: true })
    await passTime(product(), ada)
    await outbox.drain()
    expect((await rows(product(), ada)).map(({ status }) => status)).toEqual(['sent', 'sent'])
  })

  test('where a full batch was the last, what failed in it has its next turn all the same', async () => {
    const ada = await product().tenant()
    // 200 is a batch: the drain comes back for more, and finds nothing that is due
    await queueRows(product(), ada, 200)
    // always the same three: the backoff has full jitter, so one may be due again before this drain ends
    const refused = new Set<unknown>()
    const refuses = ({ headers }: EventRecord) => {
      if (headers['tenant-id'] !== ada.tenant) return false
      if (refused.size < 3) refused.add(headers['event-id'])
      return refused.has(headers['event-id'])
    }
    await capture(product(), (record) => (refuses(record) ? 'away' : null)).drain()
    expect((await rows(product(), ada)).filter(({ status }) => status === 'pending')).toHaveLength(3)
    const [ready] = await adminSql<{ in_time: boolean }>(
      product(),
      `select coalesce(min(r.not_before) <= (select min(o.next_attempt_at) from outbox o where o.tenant_id = $1::integer and o.status = 'pending'), false) as in_time
       from outbox_ready r where r.tenant_id = $1::integer`,
      [ada.tenantId],
    )
    expect(ready).toEqual({ in_time: true })
  })

  test('a row whose turn was lost altogether has it again after a sweep', async () => {
    const { call, tenant, local } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'nobody knows of it' })
    await adminSql(product(), 'delete from outbox_ready where tenant_id = $1::integer', [ada.tenantId])
    const outbox = capture(product())
    await outbox.drain()
    expect(outbox.of(ada)).toEqual([])
    for (let sweeps = 0; sweeps < 2; sweeps++) await local.runJob('sweep')
    expect(await adminSql(product(), 'select 1 from outbox_ready where tenant_id = $1::integer', [ada.tenantId])).toHaveLength(1)
    await outbox.drain()
    expect(outbox.of(ada)).toHaveLength(1)
  })

  test('one refused record holds up none of the others', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    for (const text of ['a', 'bad', 'c']) await call(ada, 'POST', '/v1/memories', { text })
    await capture(product(), (record) => (record.value?.includes('"bad"') ? 'no' : null)).drain(ada)
    expect((await rows(product(), ada)).map(({ status }) => status)).toEqual(['sent', 'pending', 'sent'])
  })

  test('what a drain that died had leased is taken over when the lease is over, not before', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'leased' })
    await killedDrain(product(), ada)
    expect(await rows(product(), ada)).toMatchObject([{ status: 'leased', leased: true }])
    const next = capture(product())
    // a new store brings the tenant's turn before the lease is over
    await call(ada, 'POST', '/v1/memories', { text: 'newer' })
    await next.drain()
    expect(next.of(ada).map((record) => JSON.parse(record.value as string).payload.text)).toEqual(['newer'])
    await passTime(product(), ada)
    await next.drain()
    expect(next.of(ada)).toHaveLength(2)
    expect(await rows(product(), ada)).toMatchObject([
      { ...sent, attempts: 2 },
      { ...sent, attempts: 1 },
    ])
  })

  test('a transport that fails as a whole, or answers for some only, has acknowledged nothing else, and the next tenant has its turn', async () => {
    const { call, tenant } = product()
    const [ada, bob, eve] = [await tenant(), await tenant(), await tenant()]
    await call(ada, 'POST', '/v1/memories', { text: 'thrown at' })
    await call(bob, 'POST', '/v1/memories/bulk', { items: [{ text: 'acknowledged' }, { text: 'left out' }] })
    await call(eve, 'POST', '/v1/memories', { text: 'fine' })
    const outbox = capture(product())
    outbox.deps.publisher = {
      name: 'broken',
      async publish(records) {
        if (records[0]?.headers['tenant-id'] === ada.tenant) throw new Error('the broker is away')
        return [null]
      },
    }
    await outbox.drain()
    expect(await rows(product(), ada)).toEqual([{ status: 'pending', attempts: 1, last_error: 'the broker is away', in_bounds: true, leased: false }])
    expect(await rows(product(), bob)).toMatchObject([sent, { status: 'pending', attempts: 1, last_error: 'the transport gave no answer for it', leased: false }])
    expect(await rows(product(), eve)).toMatchObject([sent])
  })

  test('where the generation cannot be read nothing is leased', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'waits' })
    const outbox = capture(product())
    outbox.deps.generation = () => Promise.reject(new Error('no database'))
    await expect(outbox.drain()).rejects.toThrow('no database')
    expect(await rows(product(), ada)).toMatchObject([{ status: 'pending', attempts: 0, leased: false }])
    await capture(product()).drain()
    expect(await rows(product(), ada)).toMatchObject([{ ...sent, attempts: 1 }])
  })

  test('a drain whose lease was taken over cannot settle the row any more', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'slow' })
    const slow = capture(product())
    slow.deps.publisher = {
      name: 'slow',
      async publish(records) {
        // what an earlier test left waiting may come first
        if (records[0]?.headers['tenant-id'] !== ada.tenant) return records.map(() => null)
        await passTime(product(), ada)
        await capture(product()).drain()
        return records.map((_, index) => ({ index, poison: true, error: new Error('too late') }))
      },
    }
    await slow.drain()
    expect(await rows(product(), ada)).toMatchObject([{ ...sent, attempts: 2 }])
  })

  test('a tenant with ten rows is served within the first two batches, whoever has a thousand', async () => {
    const { call, tenant } = product()
    const [ada, bob] = [await tenant(), await tenant()]
    const bulk = (caller: Caller, length: number) => call(caller, 'POST', '/v1/memories/bulk', { items: Array.from({ length }, (_, i) => ({ text: `note ${i}` })) })
    await bulk(ada, 500)
    await bulk(ada, 500)
    await bulk(bob, 10)
    const outbox = capture(product())
    await outbox.drain()
    const turns = outbox.batches
      .map((batch) => ({ tenant: batch[0]?.headers['tenant-id'], rows: batch.length }))
      .filter(({ tenant: name }) => name === ada.tenant || name === bob.tenant)
    expect(turns.slice(0, 2)).toEqual([
      { tenant: ada.tenant, rows: 200 },
      { tenant: bob.tenant, rows: 10 },
    ])
    expect([outbox.of(ada).length, outbox.of(bob).length]).toEqual([1000, 10])
  })

  test('an order of versions is kept within each memory', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 30 }, (_, i) => ({ text: `note ${i}`, coord: `${i % 3}` })) })
    const outbox = capture(product())
    await outbox.drain()
    for (const key of new Set(outbox.of(ada).map((record) => record.key))) {
      const versions = outbox
        .of(ada)
        .filter((record) => record.key === key)
        .map((record) => Number(record.headers['memory-version']))
      expect(versions).toEqual(Array.from({ length: 10 }, (_, i) => i + 1))
    }
  })
})

test('the wait before the next attempt doubles up to five minutes, with full jitter', () => {
  expect([1, 2, 3, 8, 9, 10].map((attempts) => backoffSeconds(attempts, 1))).toEqual([2, 4, 8, 256, 300, 300])
  expect(backoffSeconds(5, 0)).toBe(0)
  expect(backoffSeconds(5, 0.5)).toBe(16)
})
