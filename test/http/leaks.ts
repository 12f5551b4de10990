import type { Role, Sql } from '../../shared/db/index.ts'

/** One thing that a role could do to another tenant's rows. */
export type Leak = `${'select' | 'insert' | 'update' | 'delete' | 'move'} ${string}`
const refused = '42501'

/**
 * Tries to read, add, change, take over and remove rows of `other` in every table as `role` with the tenant set to `own` (null: to none), on a
 * superuser's connection inside its open transaction; each attempt is rolled back. Answers what succeeded, or failed by anything but a refusal.
 */
export async function findLeaks(sql: Sql, tables: string[], role: Role, own: number | null, other: number): Promise<Leak[]> {
  const leaks: Leak[] = []
  for (const table of tables) {
    const [row] = await sql.query<{ row: unknown }>(`select to_jsonb(t) as row from ${table} t where t.tenant_id = $1::integer limit 1`, [other])
    const copy = `jsonb_populate_record(null::${table}, '${JSON.stringify(row?.row).replaceAll("'", "''")}'::jsonb)`
    const attempts: [string, string][] = [
      ['select', `select count(*)::integer as n from ${table} where tenant_id is distinct from ${own}`],
      ['insert', `with done as (insert into ${table} overriding system value select * from ${copy} returning 1) select count(*)::integer as n from done`],
      ['insert', `insert into ${table} overriding system value select * from ${copy}`],
      ['update', `with done as (update ${table} set tenant_id = tenant_id where tenant_id = ${other} returning 1) select count(*)::integer as n from done`],
      ['delete', `with done as (delete from ${table} where tenant_id = ${other} returning 1) select count(*)::integer as n from done`],
      ['move', `with done as (update ${table} set tenant_id = ${other} where tenant_id = ${own} returning 1) select count(*)::integer as n from done`],
    ]
    for (const [kind, text] of attempts) if (await succeeds(sql, role, own, text)) leaks.push(`${kind} ${table}` as Leak)
  }
  return [...new Set(leaks)]
}

async function succeeds(sql: Sql, role: Role, own: number | null, text: string): Promise<boolean> {
  await sql.query('savepoint attempt')
  try {
    await sql.query(`select set_config('role', '${role}', true), set_config('soma.tenant', '${own ?? ''}', true)`)
    const rows = await sql.query<{ n?: number }>(text)
    // an insert without `returning` answers no row and has added one
    return rows[0]?.n === undefined || rows[0].n > 0
  } catch (error) {
    // a duplicate key, say, means that the policy had let the row through
    return (error as { code?: string }).code !== refused
  } finally {
    await sql.query('rollback to savepoint attempt')
  }
}
