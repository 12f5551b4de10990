import type { Sql } from '../db/index.ts'

/** What an archive holds of a tenant, in the order in which it is loaded. */
export const archivedTables = [
  'tenants',
  'api_keys',
  'scopes',
  'scope_stats',
  'sessions',
  'session_stats',
  'memories',
  'memory_versions',
  'vectors',
  'closed_vectors',
  'vector_pending',
  'links',
  'outbox',
  'memory_events',
  'idempotency',
  'usage_deltas',
  'usage_hours',
  'usage_batches',
  'audit_log',
  'audit_chain',
  'audit_checkpoints',
  'audit_heads',
  'erasures',
  'operations',
] as const
export type ArchivedTable = (typeof archivedTables)[number]
/** Counted again from the texts by a restore. */
export const rebuiltTables = ['postings', 'closed_postings'] as const
/** Rows that say whose turn it is, which a restore makes from the outbox; what is set aside of a quota, which the next store does; common words, which the next rollup counts. */
export const remadeTables = ['outbox_ready', 'quota_blocks', 'word_counts'] as const

export const isArchived = (name: string): name is ArchivedTable => (archivedTables as readonly string[]).includes(name)

/** `columns` are those in the archive; `xids` are the transaction ids, which mean nothing in another cluster. */
export type Table = {
  name: ArchivedTable
  columns: string[]
  types: Record<string, string>
  xids: string[]
  /** Of the primary key, without the tenant. */
  key: string[]
  /** Its rows as JSON text `j`, of one tenant; only those of which `which` is true, where it is given. */
  select(tenant: number, which?: string): string
  /** The keys of such rows as JSON arrays `j`. */
  selectKeys(tenant: number, which: string): string
  /** What both read from. */
  from(tenant: number): string
  /** The rows of a tenant that was moved, as they were before. */
  selectMoved(moved: Moved): string
}
/** A tenant's rows get another tenant's number, and the keys that their embedding models have here. */
export type Moved = { from: number; to: number; models: ReadonlyMap<number, number> }

/** SQL that gives a column another value, where the move changes it. */
export function movedColumn(column: string, value: string, { to, models }: Moved): string {
  if (column === 'tenant_id') return `${Math.trunc(to)}::integer`
  return column === 'model_key' ? mapped(value, models) : value
}
function mapped(value: string, keys: Iterable<readonly [number, number]>): string {
  const cases = [...keys].map(([from, to]) => `when ${Math.trunc(from)} then ${Math.trunc(to)}`)
  return cases.length ? `(case ${value} ${cases.join(' ')} end)::smallint` : value
}

/** A leased event is one that was not sent; who leased it is not there after a restore. */
const outboxColumns: Record<string, string> = {
  status: `case when t.status = 'leased' then 'pending' else t.status end as status`,
  lease_owner: 'null::uuid as lease_owner',
  lease_expires_at: 'null::timestamptz as lease_expires_at',
}
/**
 * Whether a closed version has words of its own. One that was closed in the instant in which it was recorded has none if it was passed over in a bulk
 * that stored several versions at once, and has some if it was open for less than a millisecond: only its words themselves tell.
 */
const hasWords = `t.state = 'closed' and (t.closed_at > t.recorded_at or exists
  (select from closed_postings p where p.tenant_id = t.tenant_id and p.memory_key = t.memory_key and p.version = t.version)) as has_words`

/** The archive's tables as the catalog has them: equal on every database of one schema version. */
export async function readTables(tx: Sql): Promise<Table[]> {
  const found = await tx.query<{ table: ArchivedTable; column: string; type: string; place: number | null }>(
    `select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type, array_position(x.indkey::integer[], a.attnum::integer) as place
     from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_index x on x.indrelid = c.oid and x.indisprimary
     where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and c.relname = any ($1::text[]) and a.attnum > 0 and not a.attisdropped
     order by c.relname, a.attnum`,
    [archivedTables],
  )
  return archivedTables.map((name) => {
    const columns = found.filter((one) => one.table === name)
    const plain = columns.filter(({ type }) => type !== 'xid8' && type !== 'halfvec').map(({ column }) => column)
    // last, so that a reader finds where it begins without parsing the rest
    const vectors = columns.filter(({ type }) => type === 'halfvec').map(({ column }) => column)
    const shown = [
      ...plain.map((column) => (name === 'outbox' && outboxColumns[column]) || `t."${column}"`),
      ...vectors.map((column) => `encode(halfvec_send(t."${column}"), 'hex') as "${column}"`),
      ...(name === 'memory_versions' ? [hasWords] : []),
    ]
    const key = columns
      .filter(({ place }) => place !== null)
      .sort((a, b) => Number(a.place) - Number(b.place))
      .map(({ column }) => column)
      .filter((column) => column !== 'tenant_id')
    const unsent = name === 'outbox' ? ` and t.status <> 'sent'` : ''
    const from = (tenant: number) => `"${name}" t where t.tenant_id = ${Math.trunc(tenant)}::integer${unsent}`
    const and = (which: string | undefined) => (which === undefined ? '' : ` and ${which}`)
    return {
      name,
      columns: [...plain, ...vectors, ...(name === 'memory_versions' ? ['has_words'] : [])],
      types: Object.fromEntries(columns.map(({ column, type }) => [column, type])),
      xids: columns.filter(({ type }) => type === 'xid8').map(({ column }) => column),
      key,
      from,
      select: (tenant, which) => `select row_to_json(r)::text as j from (select ${shown.join(', ')} from ${from(tenant)}${and(which)}) r`,
      selectMoved: ({ from: before, to, models }) => {
        const back: Moved = { from: to, to: before, models: new Map([...models].map(([old, now]) => [now, old])) }
        const values = shown.map((value, i) => (i < plain.length && value.startsWith('t.') ? `${movedColumn(plain[i] as string, value, back)} as "${plain[i]}"` : value))
        return `select row_to_json(r)::text as j from (select ${values.join(', ')} from ${from(to)}) r`
      },
      selectKeys: (tenant, which) => `select json_build_array(${key.map((column) => `t."${column}"`).join(', ')})::text as j from ${from(tenant)} and ${which}`,
    }
  })
}

/** Those of the tables that have rows of a tenant, by one statement. The tenant is the transaction's. */
export async function filledTables(tx: Sql, tenant: number, names: readonly string[]): Promise<string[]> {
  const [row] = await tx.query<{ tables: string[] }>(
    `select array_remove(array[${names.map((name) => `case when exists (select from "${name}" t where t.tenant_id = $1::integer) then '${name}' end`).join(', ')}], null) as tables`,
    [tenant],
  )
  return row?.tables ?? []
}

/** What makes the text of a row the same everywhere, for the rest of the transaction; and no timeout while this process is busy with what it was given. */
export async function setForms(tx: Sql): Promise<void> {
  await tx.query(
    `select set_config('timezone', 'UTC', true), set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true),
       set_config('idle_in_transaction_session_timeout', '0', true), set_config('jit', 'off', true)`,
  )
}

export async function actForTenant(tx: Sql, tenant: number): Promise<void> {
  await tx.query(`select set_config('soma.tenant', $1::text, true)`, [String(tenant)])
}
