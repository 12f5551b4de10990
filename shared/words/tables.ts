import type { Sql } from '../db/index.ts'
import { termsOf, tokenizerRevision } from '../text/index.ts'
import { insertClosedPostings, insertPostings, type Worded, wordsOf } from './postings.ts'

/** Up to where rows have been looked at: of the memories, or of the `past` of closed versions. */
export type Place = { past: boolean; tenant: number; key: string; version: number }
export const start: Place = { past: false, tenant: 0, key: '0', version: 0 }

type Row = Omit<Worded, 'memory_key'> & { memory_key: string }
export type Table = {
  past: boolean
  /** The next rows after a place whose words are of an older revision, and where to go on: undefined at the end. */
  page(tx: Sql, after: Place): Promise<{ rows: Row[]; last: Place | undefined }>
  /** Writes their words anew, of those that are still as they were read; answers how many. */
  write(tx: Sql, tenant: number, rows: Row[]): Promise<number>
}

/** Rows that are written at once, and rows that are looked at to find them. */
const batchRows = 200
const pageRows = 5_000

/** `$1` tenant, `$2` revision, `$3`, `$4` the place after which it goes on; `from` yields rows as r in the order of their places. */
async function readPage(tx: Sql, after: Place, from: string, columns: string) {
  const rows = await tx.query<Row & { last_key: string; last_version: number }>(
    `with page as materialized (${from} limit ${pageRows}), stale as (select r.* from page r where r.tokenizer < $2::smallint order by r.memory_key, r.version limit ${batchRows})
     select e.memory_key as last_key, e.version as last_version, ${columns}
     from (select r.memory_key, r.version from page r order by r.memory_key desc, r.version desc limit 1) e left join stale r on true order by r.memory_key, r.version`,
    [after.tenant, tokenizerRevision, after.key, after.version],
  )
  const [end] = rows
  if (!end) return { rows: [], last: undefined }
  const found = rows.filter((row) => row.memory_key !== null)
  const last = found.length === batchRows ? (found.at(-1) as Row) : { memory_key: end.last_key, version: end.last_version }
  return { rows: found, last: { ...after, key: last.memory_key, version: last.version } }
}

const columns = 'r.memory_key, r.version, r.namespace_key, r.user_key, r.text, r.language, r.tags, r.recorded_at::text as recorded_at'
const kept = 'm.memory_key, m.version, m.tokenizer, m.namespace_key, m.user_key, m.text, m.language, m.tags, m.recorded_at'

/** With the number of terms that the text has now. */
const countedAnew = (rows: Row[]): Worded[] =>
  rows.map((row) => {
    const cut = termsOf(row)
    return { ...row, memory_key: Number(row.memory_key), term_count: cut.length, cut }
  })

const memories: Table = {
  past: false,
  page: (tx, after) =>
    // a memory has one open version
    readPage(tx, after, `select ${kept} from memories m where m.tenant_id = $1::integer and m.memory_key > $3::bigint and $4::integer is not null order by m.memory_key`, columns),
  async write(tx, tenant, rows) {
    const current = await tx.query<{ memory_key: string; version: number }>(
      `select m.memory_key, m.version from memories m where m.tenant_id = $1::integer and m.memory_key = any ($2::bigint[]) and m.tokenizer < $3::smallint order by m.memory_key for update`,
      [tenant, rows.map((row) => row.memory_key), tokenizerRevision],
    )
    const versions = new Map(current.map((row) => [row.memory_key, row.version]))
    const counted = countedAnew(rows.filter((row) => versions.get(row.memory_key) === row.version))
    if (!counted.length) return 0
    const keys = counted.map((row) => row.memory_key)
    await tx.query('delete from postings p where p.tenant_id = $1::integer and p.memory_key = any ($2::bigint[])', [tenant, keys])
    const words = wordsOf(counted)
    if (words[0].length) await tx.query(insertPostings, [tenant, ...words])
    // the counters follow; of an instant that was, so that nobody seems to have been active since
    await tx.query(
      `with recounted as (
         update memories m set tokenizer = $4::smallint, term_count = w.term_count from unnest($2::bigint[], $3::integer[]) w (memory_key, term_count),
           memories old where m.tenant_id = $1::integer and m.memory_key = w.memory_key and old.tenant_id = $1::integer and old.memory_key = w.memory_key
         returning m.namespace_key, m.user_key, m.session_key, m.recorded_at, m.term_count - old.term_count as more)
       insert into usage_deltas (tenant_id, namespace_key, user_key, session_key, at, terms)
       select $1::integer, r.namespace_key, r.user_key, r.session_key, r.recorded_at, r.more from recounted r where r.more <> 0`,
      [tenant, keys, counted.map((row) => row.term_count), tokenizerRevision],
    )
    return counted.length
  },
}

/** A closed version does not change; one that was erased since it was read gets no words. */
const closedVersions: Table = {
  past: true,
  page: (tx, after) =>
    readPage(
      tx,
      after,
      `select ${kept}, m.closed_at, m.state from memory_versions m where m.tenant_id = $1::integer and (m.memory_key, m.version) > ($3::bigint, $4::integer) order by m.memory_key, m.version`,
      // one that was passed over in a bulk has none, and gets none
      `${columns}, r.closed_at::text as closed_at, r.state = 'closed' and (r.closed_at > r.recorded_at or exists
         (select from closed_postings p where p.tenant_id = $1::integer and p.memory_key = r.memory_key and p.version = r.version)) as has_words`,
    ),
  async write(tx, tenant, rows) {
    const current = await tx.query<{ memory_key: string; version: number }>(
      `select m.memory_key, m.version from memory_versions m join unnest($2::bigint[], $3::integer[]) w (memory_key, version) on w.memory_key = m.memory_key and w.version = m.version
       where m.tenant_id = $1::integer and m.tokenizer < $4::smallint order by m.memory_key, m.version for update of m`,
      [tenant, rows.map((row) => row.memory_key), rows.map((row) => row.version), tokenizerRevision],
    )
    const places = new Set(current.map((row) => `${row.memory_key} ${row.version}`))
    const counted = countedAnew(rows.filter((row) => places.has(`${row.memory_key} ${row.version}`)))
    if (!counted.length) return 0
    const keys = [counted.map((row) => row.memory_key), counted.map((row) => row.version)]
    await tx.query(
      `delete from closed_postings p using unnest($2::bigint[], $3::integer[]) w (memory_key, version)
       where p.tenant_id = $1::integer and p.memory_key = w.memory_key and p.version = w.version`,
      [tenant, ...keys],
    )
    const words = wordsOf(counted.filter((row) => row.has_words))
    if (words[0].length) await tx.query(insertClosedPostings, [tenant, ...words])
    await tx.query(
      `update memory_versions m set tokenizer = $5::smallint, term_count = w.term_count from unnest($2::bigint[], $3::integer[], $4::integer[]) w (memory_key, version, term_count)
       where m.tenant_id = $1::integer and m.memory_key = w.memory_key and m.version = w.version`,
      [tenant, ...keys, counted.map((row) => row.term_count), tokenizerRevision],
    )
    return counted.length
  },
}

/** In this order: what is closed while it goes on is met behind. */
export const tables: readonly Table[] = [memories, closedVersions]
