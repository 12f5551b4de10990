import type { Sql } from '../db/index.ts'
import type { Manifest } from './format.ts'
import type { Table } from './tables.ts'
import type { WordSums } from './word-sums.ts'

/** The archive that an increment builds on: what it has of each tenant and table, and how far it saw. */
export type Base = { archive: string; archiveId: string; snapshot: string; contents: Manifest['contents']; words: Record<string, WordSums> }

/**
 * How many transactions ago a row was written at most, if an archive of that snapshot may not have it as it is. Whatever is as old as the oldest transaction that was running then counts: the snapshot lists
 * no subtransactions, and theirs are the rows of whoever used savepoints. All that is older had ended before it, so the archive has it. Null: it is so long ago (or of another cluster) that ages say nothing.
 */
export async function horizonOf(tx: Sql, snapshot: string): Promise<number | null> {
  const [row] = await tx.query<{ age: string; span: string }>(
    `select age(pg_snapshot_xmin($1::text::pg_snapshot)::xid)::text as age,
       (pg_snapshot_xmax(pg_current_snapshot())::text::numeric - pg_snapshot_xmin($1::text::pg_snapshot)::text::numeric)::text as span`,
    [snapshot],
  )
  const span = Number(row?.span)
  return span >= 0 && span < 2 ** 31 - 1_000_000 ? Number(row?.age) : null
}

/** The age of a row's transaction tells: it is in each row of each table already, costs a writer nothing, and no job can forget to keep it. One that was frozen long ago may be taken for fresh, and is then written again. */
export const isFresh = (horizon: number): string => `age(t.xmin) <= ${Math.trunc(horizon)}`
export const isSettled = (horizon: number): string => `age(t.xmin) > ${Math.trunc(horizon)}`

export type Change = { table: Table; rows: number; fresh: number }

/** How many rows a tenant's tables have, and how many of them are fresh; by one statement. Tables without rows are left out. The tenant is the transaction's. */
export async function changesOf(tx: Sql, tenant: number, tables: readonly Table[], horizon: number): Promise<Change[]> {
  const counts = tables.map((table) => `(select array[count(*), count(*) filter (where ${isFresh(horizon)})] from ${table.from(tenant)})`)
  const [row] = await tx.query<{ counts: string }>(`select array_to_json(array[${counts.join(', ')}])::text as counts`)
  const found = JSON.parse(row?.counts ?? '[]') as [number, number][]
  return tables.map((table, i) => ({ table, rows: found[i]?.[0] ?? 0, fresh: found[i]?.[1] ?? 0 })).filter(({ rows }) => rows > 0)
}
