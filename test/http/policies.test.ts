import { expect, test } from 'vitest'
import type { Sql } from '../../shared/db/index.ts'
import { describeEngines, type Product } from '../support/engines.ts'
import { tenantTables } from './checks.ts'
import { findLeaks } from './leaks.ts'

/** Where the worker's own policies let it across tenants: whose turn it is, the registry, and counters without content. */
const acrossByName = ['outbox_ready', 'scope_stats', 'session_stats', 'tenants', 'usage_deltas', 'usage_hours']
const tablesOf = (leaks: string[]) => [...new Set(leaks.map((leak) => leak.split(' ')[1]))].sort()

/** Two tenants, each with a row in every table. */
async function twoTenants(product: Product): Promise<[number, number]> {
  const [first, second] = [await busyTenant(product), await busyTenant(product)]
  for (const tenant of [first, second]) await fillQueues(product, tenant)
  return [first, second]
}

async function busyTenant(product: Product): Promise<number> {
  const caller = await product.tenant()
  const bulk = await product.call(
    caller,
    'POST',
    '/v1/memories/bulk',
    { items: ['a', 'b', 'c'].map((text) => ({ text, user_id: 'u', session_id: 's' })) },
    { 'idempotency-key': 'k' },
  )
  await product.settle()
  const [first, second] = bulk.body.results
  await product.call(caller, 'PATCH', `/v1/memories/${first.id}`, { text: 'changed' })
  await product.call(caller, 'DELETE', `/v1/memories/${second.id}`)
  await product.settle()
  await product.local.runJob('seal-audit')
  return caller.tenantId
}

/** The queues are empty by now, and nothing erases yet. */
async function fillQueues(product: Product, tenant: number): Promise<void> {
  await product.local.db.owner.maintenance(async (sql) => {
    const id = `${tenant}::integer`
    await sql.query(`insert into erasures (tenant_id, erasure_id, kind, target) values (${id}, gen_random_uuid(), 'user', 'u')`)
    await sql.query(`insert into usage_deltas (tenant_id, namespace_key, at) values (${id}, 1, now())`)
    await sql.query(`insert into usage_batches (tenant_id, batch_id) values (${id}, gen_random_uuid())`)
    await sql.query(`insert into operations (tenant_id, operation_id, kind, actor) values (${id}, gen_random_uuid(), 'forget', 'test')`)
    await sql.query(`insert into session_stats (tenant_id, session_key, last_at) values (${id}, 1, now())`)
    await sql.query(
      `insert into links (tenant_id, id, from_key, to_key, type, weight, version, created_at, recorded_at) values (${id}, gen_random_uuid(), 1, 2, 'related', 1, 1, now(), now())`,
    )
    await sql.query(`insert into word_counts (tenant_id, scope_key, term, memories) values (${id}, 1, 'w', 1)`)
    await sql.query(`insert into quota_blocks (tenant_id, block, under, day, writes, memories, bytes) values (${id}, 1, '-', current_date, 1, 1, 1)`)
    await sql.query(`insert into outbox_ready (tenant_id, not_before) values (${id}, now() + interval '1 day')`)
    await sql.query(`insert into vector_pending (tenant_id, memory_key, namespace_key, version, queued_at) values (${id}, -1, 1, 1, now())`)
  })
}

/** Runs on a superuser's connection; nothing of it stays. */
function rolledBack<T>(product: Product, work: (sql: Sql) => Promise<T>): Promise<T> {
  return product.local.db.owner.maintenance(async (sql) => {
    await sql.query('begin')
    try {
      return await work(sql)
    } finally {
      await sql.query('rollback')
    }
  })
}

describeEngines('row-level security', (product) => {
  test('as soma_app and soma_worker one tenant reads and writes no row of another in any table, and without a tenant there are no rows', async () => {
    const [ada, eve] = await twoTenants(product())
    const tables = await tenantTables(product())
    expect(tables.length).toBeGreaterThanOrEqual(24)
    await rolledBack(product(), async (sql) => {
      for (const table of tables) {
        const [row] = await sql.query<{ n: number }>(`select count(distinct tenant_id)::integer as n from ${table} where tenant_id in (${ada}, ${eve})`)
        expect(row?.n, `${table} has rows of both, or the check would be empty`).toBe(2)
      }
      for (const own of [ada, null]) {
        expect(await findLeaks(sql, tables, 'soma_app', own, eve)).toEqual([])
        expect(tablesOf(await findLeaks(sql, tables, 'soma_worker', own, eve))).toEqual(acrossByName)
      }
    })
  })

  test('the check above sees it when the policy of any one table is opened, or its row-level security is off', async () => {
    const [ada, eve] = await twoTenants(product())
    const tables = await tenantTables(product())
    for (const table of tables) {
      for (const mutation of [`alter policy own_tenant on ${table} using (true) with check (true)`, `alter table ${table} disable row level security`]) {
        const leaks = await rolledBack(product(), async (sql) => {
          await sql.query(mutation)
          const asApp = await findLeaks(sql, [table], 'soma_app', ada, eve)
          return acrossByName.includes(table) ? asApp : [...asApp, ...(await findLeaks(sql, [table], 'soma_worker', ada, eve))]
        })
        expect(leaks, mutation).not.toEqual([])
        expect(tablesOf(leaks)).toEqual([table])
      }
    }
  })

  test('a policy that checks reads only, or writes only, is seen too', async () => {
    const [ada, eve] = await twoTenants(product())
    const own = `tenant_id = nullif(current_setting('soma.tenant', true), '')::integer`
    for (const table of ['memories', 'outbox', 'api_keys', 'idempotency']) {
      const run = (mutation: string) =>
        rolledBack(product(), async (sql) => {
          await sql.query(mutation)
          return findLeaks(sql, [table], 'soma_app', ada, eve)
        })
      expect(await run(`alter policy own_tenant on ${table} using (${own}) with check (true)`)).toContain(`insert ${table}`)
      if (table !== 'outbox') expect(await run(`alter policy own_tenant on ${table} using (true) with check (${own})`)).toContain(`select ${table}`)
    }
  })

  test('a partition that may be read by its name shows no row of another tenant, and nothing without a tenant; written it cannot be', async () => {
    const [ada, eve] = await twoTenants(product())
    await rolledBack(product(), async (sql) => {
      const readable = await sql.query<{ name: string }>(
        `select c.relname as name from pg_class c where c.relispartition and c.relkind = 'r' and has_table_privilege('soma_app', c.oid, 'select') order by 1`,
      )
      expect(readable.length).toBeGreaterThanOrEqual(48)
      const held: string[] = []
      for (const { name } of readable) {
        const [row] = await sql.query<{ n: number }>(`select count(*)::integer as n from ${name} where tenant_id = ${eve}`)
        if (row?.n) held.push(name)
      }
      expect(held, 'one part of each table holds what must not be seen').toHaveLength(6)
      for (const role of ['soma_app', 'soma_worker'] as const) for (const own of [ada, null]) expect(await findLeaks(sql, held, role, own, eve)).toEqual([])
      for (const mutation of [`alter policy own_tenant on ${held[0]} using (true)`, `alter table ${held[0]} disable row level security`]) {
        await sql.query('savepoint open')
        await sql.query(mutation)
        for (const role of ['soma_app', 'soma_worker'] as const) expect(await findLeaks(sql, held, role, ada, eve), mutation).toEqual([`select ${held[0]}`])
        await sql.query('rollback to savepoint open')
      }
    })
  })

  test('no other partition can be reached by its own name, and every table and partition is forced', async () => {
    await rolledBack(product(), async (sql) => {
      const partitions = await sql.query<{ name: string }>(`select c.relname as name from pg_class c where c.relispartition and c.relkind = 'r' order by 1`)
      expect(partitions.length).toBeGreaterThanOrEqual(80)
      for (const [role, most] of [
        ['soma_app', 48],
        ['soma_worker', 48],
      ] as const) {
        const [granted] = await sql.query<{ n: number }>(
          `select count(*)::integer as n from pg_class c where c.relispartition and c.relkind = 'r' and has_table_privilege('${role}', c.oid, 'select, insert, update, delete, truncate')`,
        )
        expect(granted?.n).toBe(most)
        const [writable] = await sql.query<{ n: number }>(
          `select count(*)::integer as n from pg_class c where c.relispartition and c.relkind = 'r' and has_table_privilege('${role}', c.oid, 'insert, update, delete, truncate')`,
        )
        expect(writable?.n).toBe(0)
      }
      const [open] = await sql.query<{ names: string[] | null }>(
        `select array_agg(distinct c.relname) as names from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
         where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace and not (c.relrowsecurity and c.relforcerowsecurity)`,
      )
      expect(open?.names).toBeNull()
    })
  })
})
