import { beforeAll, expect, test } from 'vitest'
import { pendingByTenant } from '../../shared/outbox/index.ts'
import { foldTenants } from '../../shared/telemetry/index.ts'
import { adminSql, capture, killedDrain, loseWakeUps, queueRows } from '../db/admin.ts'
import { type Caller, describeEngines } from '../support/engines.ts'

describeEngines(
  'the gauges of the outbox',
  (product) => {
    beforeAll(() => loseWakeUps(product()))

    async function gauges(caller: Caller): Promise<Record<string, number>> {
      const { text } = await product().call(null, 'GET', '/metrics')
      const lines = [...text.matchAll(/^(outbox_pending|outbox_dead|memory_wal_lag_seconds)\{tenant="([^"]+)"\} (\S+)$/gm)]
      return Object.fromEntries(lines.flatMap(([, name, tenant, value]) => (tenant === caller.tenant ? [[name, Number(value)]] : [])))
    }
    const oldest = (caller: Caller) => adminSql(product(), `update outbox set created_at = now() - interval '90 seconds' where tenant_id = $1::integer`, [caller.tenantId])

    test('they show what is pending, leased and dead, and a tenant whose rows are sent is not shown any more', async () => {
      const ada = await product().tenant()
      await queueRows(product(), ada, 3)
      await oldest(ada)
      const first = await gauges(ada)
      expect(first).toMatchObject({ outbox_pending: 3, outbox_dead: 0 })
      expect(first.memory_wal_lag_seconds).toBeGreaterThanOrEqual(90)
      await killedDrain(product(), ada)
      expect((await gauges(ada)).outbox_pending).toBe(3)
      expect((await gauges(ada)).memory_wal_lag_seconds).toBeGreaterThanOrEqual(90)
      await adminSql(product(), `update outbox set status = 'dead', lease_owner = null where tenant_id = $1::integer`, [ada.tenantId])
      expect(await gauges(ada)).toEqual({ outbox_pending: 0, outbox_dead: 3, memory_wal_lag_seconds: 0 })
      await adminSql(product(), `update outbox set status = 'pending' where tenant_id = $1::integer`, [ada.tenantId])
      await queueRows(product(), ada, 1)
      await capture(product()).drain()
      expect(await gauges(ada)).toEqual({})
      expect(await gauges({ ...ada, tenant: 'default' })).toEqual({ outbox_pending: 0, outbox_dead: 0, memory_wal_lag_seconds: 0 })
    })

    test('a count goes no further than its share of a scrape', async () => {
      const ada = await product().tenant()
      await queueRows(product(), ada, 1_500)
      const row = (await pendingByTenant(product().local.db.worker, 1_000)).find(({ tenant }) => tenant === ada.tenant)
      const [waiting] = await adminSql<{ tenants: number }>(product(), 'select count(distinct tenant_id)::integer as tenants from outbox_ready')
      expect(row?.pending).toBe(Math.floor(1_000 / (waiting as { tenants: number }).tenants))
    })
  },
  ['pglite', 'postgres 18', 'postgres 16'],
)

test('above a thousand tenants the busiest keep their label, and the others are one', () => {
  const rows = Array.from({ length: 1003 }, (_, i) => ({ tenant: `t${i}`, pending: i, dead: 1, oldestSeconds: 2000 - i }))
  const folded = foldTenants(rows)
  expect(folded).toHaveLength(1001)
  expect(folded[0]).toMatchObject({ tenant: 't1002' })
  expect(folded.at(-1)).toEqual({ tenant: 'other', pending: 0 + 1 + 2, dead: 3, oldestSeconds: 2000 })
})
