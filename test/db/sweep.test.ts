import { beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../support/engines.ts'
import { adminSql, capture, loseWakeUps, rowCounts } from './admin.ts'

describeEngines('the sweep', (product) => {
  beforeAll(() => loseWakeUps(product()))

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
