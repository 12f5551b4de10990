import type { Sql } from '../db/index.ts'
import type { Rows } from './blocks.ts'
import { blockBytes, type Content } from './format.ts'
import { type Base, changesOf, isFresh, isSettled } from './increment.ts'
import { pagesOf } from './pages.ts'
import { createRowSum } from './row-hash.ts'
import { actForTenant, filledTables, type Table } from './tables.ts'

export type Since = { base: Base; horizon: number }
type Options = {
  /** Only what may be other than in an archive before. */
  since: Since | undefined
  /** Hears what there is of a table when all its blocks have been given out. */
  onTable(table: string, content: Content): void
  /** The share of its time in which a backup asks the database, above 0 and at most 1. */
  pace: number
}

/** The rows of one tenant as blocks of one table each; of what is there already as it is, only the keys, and these only where not all of it is. */
export async function* tenantRows(tx: Sql, tables: readonly Table[], tenant: number, { since, onTable, pace }: Options): AsyncGenerator<Rows> {
  await actForTenant(tx, tenant)
  const blocks = (table: Table, holds: Rows['holds'], query: string) => blocksOf(tx, query, { tenant, table: table.name, holds }, pace)
  if (!since) {
    const filled = await filledTables(
      tx,
      tenant,
      tables.map(({ name }) => name),
    )
    for (const table of tables.filter(({ name }) => filled.includes(name))) {
      let rows = 0
      for await (const block of blocks(table, 'rows', table.select(tenant))) {
        rows += block.rows
        yield block
      }
      onTable(table.name, { rows })
    }
    return
  }
  const { base, horizon } = since
  for (const { table, rows, fresh } of await changesOf(tx, tenant, tables, horizon)) {
    const before = base.contents[tenant]?.[table.name]?.rows
    const settled = rows - fresh
    // more settled rows than the archive has cannot be: then it is not of this database, and nothing is left to it
    if (before === undefined || table.key.length === 0 || fresh > settled || settled > before) {
      yield* blocks(table, 'rows', table.select(tenant))
      onTable(table.name, { rows })
      continue
    }
    const all = settled === before
    if (!all) yield* blocks(table, 'keys', table.selectKeys(tenant, isSettled(horizon)))
    if (fresh > 0) yield* blocks(table, 'rows', table.select(tenant, isFresh(horizon)))
    onTable(table.name, { rows, kept: all ? 'all' : settled })
  }
}

async function* blocksOf(tx: Sql, query: string, of: Pick<Rows, 'tenant' | 'table' | 'holds'>, pace: number): AsyncGenerator<Rows> {
  let lines: string[] = []
  let length = 0
  let sum = createRowSum()
  const block = (): Rows => ({ ...of, rows: lines.length, text: Buffer.from(lines.join('\n')), sum })
  for await (const page of pagesOf(tx, query, pace)) {
    for (const line of page) {
      if (of.holds === 'rows') sum.add(line)
      lines.push(line)
      length += line.length
      if (length >= blockBytes) {
        yield block()
        lines = []
        length = 0
        sum = createRowSum()
      }
    }
  }
  if (lines.length) yield block()
}
