import { randomUUID } from 'node:crypto'
import { type Database, migrate, openPostgres } from '../shared/db/index.ts'
import { drainOutbox, sweep } from '../shared/outbox/index.ts'
import { count, megabytes, printTable, timed } from './figures.ts'
import type { Product } from './product.ts'
import type { Options } from './run.ts'

const tenants = 10
const rounds = 20
const reports = 5
/** What autovacuum takes where a table says nothing else. */
const defaults = { threshold: 50, share: 0.2 }

/**
 * Events through the outbox in rounds: stored, drained by the product's own drain over a transport that acknowledges everything, swept when they are a round old, and
 * vacuumed where autovacuum would. It runs in a schema of its own, so that the server's jobs do not take part.
 */
export async function outbox(product: Product, options: Options): Promise<void> {
  if (!product.adminUrl) throw new Error('The outbox is measured on PostgreSQL: leave --embedded away. The embedded engine vacuums after every 2,000 changes (local/tidy.ts).')
  const total = options.size ?? (options.short ? 20_000 : 1_000_000)
  const schema = `outbox_${randomUUID().replaceAll('-', '')}`
  await product.sql(`create schema ${schema}`)
  const url = new URL(product.adminUrl)
  url.searchParams.set('options', `-c search_path=${schema},public`)
  const db = openPostgres({ url: url.href, max: 4, onError: (error) => console.error(error) })
  try {
    await migrate(db)
    await passThrough(db, total)
  } finally {
    await db.close()
  }
}

async function passThrough(db: Database, total: number): Promise<void> {
  const ids = await createTenants(db)
  const each = Math.ceil(total / rounds / tenants)
  const signal = new AbortController().signal
  const publisher = { name: 'acknowledges', publish: async (records: unknown[]) => records.map(() => null) }
  const rows: string[][] = []
  let before = performance.now()
  for (let round = 1; round <= rounds; round++) {
    const began = performance.now()
    for (const id of ids) await queue(db, id, each)
    const drained = await timed(() => drainOutbox({ worker: db, publisher, generation: async () => 1, onFailure: () => {} }, signal))
    // what was sent before this round began leaves when the next one ends
    const swept = await timed(() => sweep(db, signal, `${(performance.now() - before) / 1000} seconds`))
    before = began
    const vacuumed = await vacuumWhatIsDue(db)
    if (round % (rounds / reports) !== 0) continue
    const [sizes] = await db.maintenance((sql) => sql.query<Size>(sizeText))
    const { live, heap, indexes, pending, ready } = sizes as Size
    rows.push([
      count(round * each * tenants),
      count(Number(live)),
      ...[heap, indexes, pending, ready].map((bytes) => megabytes(Number(bytes))),
      String(vacuumed),
      ...[drained, swept].map((ms) => count((each * tenants) / (ms / 1000))),
    ])
  }
  printTable(
    `${count(total)} events of ${tenants} tenants through the outbox in ${rounds} rounds`,
    ['passed', 'rows left', 'outbox', 'its indexes', '… of pending', 'outbox_ready', 'vacuumed', 'drained/s', 'swept/s'],
    rows,
  )
}

type Size = { live: string; heap: string; indexes: string; pending: string; ready: string }
const sizeText = `
  select (select count(*) from outbox) as live, sum(pg_relation_size(c.oid)) as heap, sum(pg_indexes_size(c.oid)) as indexes,
    (select sum(pg_relation_size(i.indexrelid)) from pg_index i join pg_class n on n.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
      where t.relname like 'outbox_p_' and t.relnamespace = current_schema()::regnamespace and pg_get_expr(i.indpred, i.indrelid) like '%''pending''%') as pending,
    pg_total_relation_size('outbox_ready') as ready
  from pg_inherits h join pg_class c on c.oid = h.inhrelid where h.inhparent = 'outbox'::regclass`

async function createTenants(db: Database): Promise<number[]> {
  const rows = await db.transaction({ role: 'soma_worker', tenantId: null }, (tx) =>
    tx.query<{ tenant_id: number }>(`insert into tenants (name) select 'bench-' || n from generate_series(1, $1::integer) n returning tenant_id`, [tenants]),
  )
  return rows.map((row) => row.tenant_id)
}

/** As stores of one memory each leave them: a row and a ready row. */
function queue(db: Database, tenant: number, rows: number): Promise<unknown> {
  return db.transaction({ role: 'soma_worker', tenantId: tenant, timeoutMs: 60_000 }, async (tx) => {
    const body = JSON.stringify({ namespace: 'default', payload: {} })
    await tx.query(
      `insert into outbox (tenant_id, event_id, type, id, version, body, created_at, next_attempt_at)
       select $1::integer, gen_random_uuid(), 'linked', gen_random_uuid(), 1, $3::jsonb, now(), now() from generate_series(1, $2::integer)`,
      [tenant, rows, body],
    )
    await tx.query('insert into outbox_ready (tenant_id, not_before) select $1::integer, now() from generate_series(1, $2::integer)', [tenant, rows])
  })
}

/** Autovacuum's own rule, once a round instead of once a minute: the run is shorter than an hour's traffic, and no clock decides what comes out. */
async function vacuumWhatIsDue(db: Database): Promise<number> {
  return db.maintenance(async (sql) => {
    await sql.query('select pg_stat_force_next_flush()')
    const due = await sql.query<{ name: string }>(
      `select c.relname as name from pg_class c join pg_stat_user_tables s on s.relid = c.oid
       left join lateral (select option_value from pg_options_to_table(c.reloptions) where option_name = 'autovacuum_vacuum_threshold') t on true
       left join lateral (select option_value from pg_options_to_table(c.reloptions) where option_name = 'autovacuum_vacuum_scale_factor') f on true
       where c.relnamespace = current_schema()::regnamespace and (c.relname like 'outbox_p_' or c.relname = 'outbox_ready')
         and s.n_dead_tup > coalesce(t.option_value::integer, ${defaults.threshold}) + coalesce(f.option_value::float, ${defaults.share}) * greatest(c.reltuples, 0)`,
    )
    for (const { name } of due) await sql.query(`vacuum (analyze) ${name}`)
    return due.length
  })
}
