import { bulkSize, loadCorpus, sizeOf, users } from './corpus.ts'
import { count, megabytes, printTable } from './figures.ts'
import type { Product } from './product.ts'
import type { Options } from './run.ts'

/** How fast a corpus comes in, how much disk a memory takes, and what the server's memory grows to. */
export async function load(product: Product, options: Options): Promise<void> {
  const n = sizeOf(options)
  const atRest = await product.rss()
  const { answeredSeconds, indexedSeconds } = await loadCorpus(product, n)
  const afterLoad = await product.rss()
  const tables = await sizes(product)
  const total = tables.reduce((sum, table) => sum + table.bytes, 0)
  const outbox = tables.find((table) => table.name === 'outbox')?.bytes ?? 0
  printTable(
    `${count(n)} memories of ${users} users, in bulks of ${bulkSize}, one after the other`,
    ['', ''],
    [
      ['memories a second, until answered', count(n / answeredSeconds)],
      ['all answered after', `${answeredSeconds.toFixed(1)} s`],
      ['all indexed after', `${indexedSeconds.toFixed(1)} s`],
      ['memories a second, until indexed', count(n / indexedSeconds)],
      ['bytes a memory on disk, all tables and indexes', count(total / n)],
      ['… without the outbox (sent rows are swept after an hour)', count((total - outbox) / n)],
      ['resident memory of the server at rest', megabytes(atRest)],
      ['… after the load', megabytes(afterLoad)],
    ],
  )
  printTable(
    'Bytes a memory on disk, by table',
    ['table', 'rows', 'indexes', 'both'],
    tables.filter((table) => table.bytes >= n).map((table) => [table.name, count((table.bytes - table.indexes) / n), count(table.indexes / n), count(table.bytes / n)]),
  )
}

type Size = { name: string; bytes: number; indexes: number }

/** Every table of the schema with its indexes and TOAST; the partitions of one are counted together. */
async function sizes(product: Product): Promise<Size[]> {
  const rows = await product.sql(`
    select coalesce(parent.relname, c.relname) as name, sum(pg_total_relation_size(c.oid)) as bytes, sum(pg_indexes_size(c.oid)) as indexes
    from pg_class c left join pg_inherits i on i.inhrelid = c.oid left join pg_class parent on parent.oid = i.inhparent
    where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace group by 1 order by 2 desc`)
  return rows.map((row) => ({ name: String(row.name), bytes: Number(row.bytes), indexes: Number(row.indexes) }))
}
