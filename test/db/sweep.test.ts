import { beforeAll, expect, test } from 'vitest'
import { asAdmin, describeEngines } from '../support/engines.ts'
import { adminSql, capture, loseWakeUps, rowCounts } from './admin.ts'

describeEngines('the sweep', (product) => {
  beforeAll(() => loseWakeUps(product()))

  test('it removes the ids of batches of reads after a day, when no flush can repeat them', async () => {
    const { tenant, local } = product()
    const ada = await tenant()
    for (const age of ['23 hours', '25 hours', '9 days'])
      await adminSql(product(), `insert into usage_batches (tenant_id, batch_id, at) values ($1::integer, gen_random_uuid(), now() - $2::interval)`, [ada.tenantId, age])
    await local.runJob('sweep')
    const left = await adminSql(product(), `select at > now() - interval '24 hours' as young from usage_batches where tenant_id = $1::integer`, [ada.tenantId])
    expect(left).toEqual([{ young: true }])
  })

  test('it removes operations a month after they ended, and none that has not', async () => {
    const { tenant, local } = product()
    const ada = await tenant()
    for (const [state, age] of [
      ['succeeded', '29 days'],
      ['succeeded', '31 days'],
      ['failed', '31 days'],
      ['running', '31 days'],
    ])
      await adminSql(
        product(),
        `insert into operations (tenant_id, operation_id, kind, actor, state, updated_at) values ($1::integer, gen_random_uuid(), 'forget', 'test', $2::text, now() - $3::interval)`,
        [ada.tenantId, state, age],
      )
    await local.runJob('sweep')
    const left = await adminSql(product(), 'select state from operations where tenant_id = $1::integer order by updated_at', [ada.tenantId])
    expect(left).toEqual([{ state: 'running' }, { state: 'succeeded' }])
  })

  test('it removes sent outbox rows after an hour and idempotency records after a day, and nothing else', async () => {
    const { call, tenant, local } = product()
    const ada = await tenant()
    const store = (text: string) => call(ada, 'POST', '/v1/memories', { text }, { 'idempotency-key': text })
    for (const text of ['old', 'young']) await store(text)
    await capture(product()).drain()
    await store('waiting')
    await local.runJob('sweep')
    expect(await rowCounts(product(), ada, ['outbox', 'idempotency', 'memories'])).toEqual({ outbox: 3, idempotency: 3, memories: 3 })
    const first = 'seq = (select min(seq) from outbox where tenant_id = $1::integer)'
    await adminSql(product(), `update outbox set sent_at = now() - interval '61 minutes' where tenant_id = $1::integer and ${first}`, [ada.tenantId])
    await adminSql(product(), `update outbox set created_at = now() - interval '9 days' where tenant_id = $1::integer and status = 'pending'`, [ada.tenantId])
    await adminSql(product(), `update idempotency set created_at = now() - interval '25 hours' where tenant_id = $1::integer and key = 'old'`, [ada.tenantId])
    await local.runJob('sweep')
    expect(await rowCounts(product(), ada, ['outbox', 'idempotency', 'memories', 'memory_events'])).toEqual({ outbox: 2, idempotency: 2, memories: 3, memory_events: 0 })
    const left = await adminSql(product(), 'select status from outbox where tenant_id = $1::integer order by seq', [ada.tenantId])
    expect(left).toEqual([{ status: 'sent' }, { status: 'pending' }])
  })
})

describeEngines(
  'the sweep beside a replay',
  (product) => {
    test('a sent row that is being replayed at this moment stays, and is pending afterwards', async () => {
      const { call, tenant, local, adminUrl } = product()
      await loseWakeUps(product())
      const ada = await tenant()
      await call(ada, 'POST', '/v1/memories', { text: 'sent long ago' })
      await capture(product()).drain()
      await adminSql(product(), `update outbox set sent_at = now() - interval '2 hours' where tenant_id = $1::integer`, [ada.tenantId])
      await asAdmin(adminUrl as string, async (replaying) => {
        await replaying.query('begin')
        await replaying.query(`update outbox set status = 'pending' where tenant_id = $1::integer`, [ada.tenantId])
        await local.runJob('sweep')
        await replaying.query('commit')
      })
      expect(await adminSql(product(), 'select status from outbox where tenant_id = $1::integer', [ada.tenantId])).toEqual([{ status: 'pending' }])
    })
  },
  ['postgres 18', 'postgres 16'],
)
