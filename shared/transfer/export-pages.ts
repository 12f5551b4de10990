import type { Sql } from '../db/index.ts'
import { memoryColumns } from '../memory/index.ts'
import type { ExportQuery } from './export-query.ts'
import { type LinkRow, linkLine, memoryLine, type OutRow } from './line-out.ts'

/** What one page reads at most: rows that are looked at, whether they are in the export's scope or not, and bytes of content (one row may have more). */
const page = { rows: 1_000, bytes: 1024 * 1024 } as const

/** The conditions of a scope on memories as `m`; `$2` is the namespace and `$3` the user, null for any. */
const inScope = `($2::text is null or m.namespace = $2::text) and ($3::text is null or m.user_id = $3::text) and (m.expires_at is null or m.expires_at > now())`
const scopeOf = (tenantId: number, query: ExportQuery) => [tenantId, query.all_namespaces ? null : (query.namespace ?? 'default'), query.user_id ?? null]

/** Keys that follow `after`, up to the page's limits: the last of them, or null at the end. By key alone, so that a page costs the same in every scope. */
const lastKey = (table: string, columns: string, where: string) => `
  select ${columns} from (select ${columns}, row_number() over w as n, sum(t.bytes) over w as bytes from (
      select ${columns}, t.bytes from ${table} t where t.tenant_id = $1::integer and ${where} order by ${columns} limit ${page.rows}) t window w as (order by ${columns})) t
  where t.n = 1 or t.bytes <= ${page.bytes} order by t.n desc limit 1`

/** The vector of the model that recall uses, or of the one that came last; none that holds a turn which is not here any more. */
const vectorOf = (table: string) => `left join lateral (
    select v.embedding::text as embedding, e.name as embedding_model, e.dimension as embedding_dim,
      case when c.id is not null then json_build_object('id', c.id, 'version', v.context_version) end as embedding_context
    from ${table} v join embedding_models e on e.model_key = v.model_key left join memories c on c.tenant_id = $1::integer and c.memory_key = v.context_key
    where v.tenant_id = $1::integer and v.memory_key = m.memory_key and v.version = m.version and (v.context_key is null or c.id is not null) order by e.name = $6::text and e.dimension = $7::integer desc, v.model_key desc limit 1) v on true`
const vectorColumns = ', v.embedding, v.embedding_model, v.embedding_dim, v.embedding_context'

export type Model = { model: string; dimension: number }
export type MemoriesPage = {
  lastKey: string
  memories: OutRow[]
  /** Of the versions, by their memory's key. */
  lines: Map<string, { text: string; version: number }[]>
  /** Where the versions go on, when they are more than a page. */
  more: VersionsFrom | undefined
}
export type VersionsFrom = { key: string; version: number }

/** Memories after a key, with the first page of their versions, or of those after `version`. Undefined at the end. */
export async function memoriesPage(
  tx: Sql,
  tenantId: number,
  query: ExportQuery,
  after: string,
  model: Model,
  version: VersionsFrom = { key: after, version: 2_147_483_647 },
): Promise<MemoriesPage | undefined> {
  const [last] = await tx.query<{ memory_key: string }>(lastKey('memories', 'memory_key', 't.memory_key > $2::bigint'), [tenantId, after])
  if (!last) return undefined
  const scope = scopeOf(tenantId, query)
  const memories = await tx.query<OutRow>(
    `select ${memoryColumns}${query.vectors ? vectorColumns : ''} from memories m ${query.vectors ? vectorOf('vectors') : ''}
     where m.tenant_id = $1::integer and m.memory_key > $4::bigint and m.memory_key <= $5::bigint and ${inScope} order by m.memory_key`,
    [...scope, after, last.memory_key, ...(query.vectors ? [model.model, model.dimension] : [])],
  )
  const result: MemoriesPage = { lastKey: last.memory_key, memories, lines: new Map(), more: undefined }
  if (query.versions && memories.length) result.more = await versionsPage(tx, tenantId, query, result, version, model)
  return result
}

/** Closed versions of the page's memories after (key, version), as lines by key. Answers where they go on. */
export async function versionsPage(
  tx: Sql,
  tenantId: number,
  query: ExportQuery,
  { memories, lastKey: upTo, lines }: MemoriesPage,
  from: VersionsFrom,
  model: Model,
): Promise<VersionsFrom | undefined> {
  const keys = 'memory_key, version'
  const [last] = await tx.query<{ memory_key: string; version: number }>(
    lastKey('memory_versions', keys, '(t.memory_key, t.version) > ($2::bigint, $3::integer) and t.memory_key <= $4::bigint'),
    [tenantId, from.key, from.version, upTo],
  )
  if (!last) return undefined
  const wanted = new Map(memories.map((row) => [row.memory_key, row.version]))
  const rows = await tx.query<OutRow>(
    `select ${memoryColumns}, m.closed_at${query.vectors ? vectorColumns : ''} from memory_versions m ${query.vectors ? vectorOf('closed_vectors') : ''}
     where m.tenant_id = $1::integer and (m.memory_key, m.version) > ($2::bigint, $3::integer) and (m.memory_key, m.version) <= ($4::bigint, $5::integer) and m.state = 'closed'
       and exists (select from memories o where o.tenant_id = $1::integer and o.memory_key = m.memory_key)
     order by m.memory_key, m.version`,
    [tenantId, from.key, from.version, last.memory_key, last.version, ...(query.vectors ? [model.model, model.dimension] : [])],
  )
  for (const row of rows) {
    // a version that was closed since the memory was read is that memory's own line
    if (row.version >= (wanted.get(row.memory_key) ?? 0)) continue
    lines.set(row.memory_key, [...(lines.get(row.memory_key) ?? []), { text: memoryLine(row), version: row.version }])
  }
  return { key: last.memory_key, version: last.version }
}

/** Links after an id whose two ends are in the scope. Undefined at the end. */
export async function linksPage(
  tx: Sql,
  tenantId: number,
  query: ExportQuery,
  after: string,
  upTo: string,
): Promise<{ last: string; lines: { id: string; text: string }[] } | undefined> {
  const rows = await tx.query<LinkRow & { inside: boolean }>(
    `select l.id, f.id as "from", t.id as "to", l.type, l.weight, l.metadata, l.created_at, f.id is not null and t.id is not null as inside
     from (select k.* from links k where k.tenant_id = $1::integer and k.id > $4::uuid order by k.id limit ${page.rows}) l
     left join lateral (select m.id from memories m where m.tenant_id = $1::integer and m.memory_key = l.from_key and l.from_key <= $5::bigint and ${inScope} limit 1) f on true
     left join lateral (select m.id from memories m where m.tenant_id = $1::integer and m.memory_key = l.to_key and l.to_key <= $5::bigint and ${inScope} limit 1) t on true
     order by l.id`,
    [...scopeOf(tenantId, query), after, upTo],
  )
  const last = rows.at(-1)
  return last && { last: last.id, lines: rows.filter((row) => row.inside).map((row) => ({ id: row.id, text: linkLine(row) })) }
}

/** What a cursor names: a memory, also one that was forgotten, or a link. */
export async function placeOf(tx: Sql, tenantId: number, id: string): Promise<{ memoryKey: string } | { linkId: string } | undefined> {
  const [row] = await tx.query<{ memory_key: string | null; link: boolean }>(
    `select coalesce((select m.memory_key from memories m where m.tenant_id = $1::integer and m.id = $2::uuid),
         (select v.memory_key from memory_versions v where v.tenant_id = $1::integer and v.id = $2::uuid order by v.version desc limit 1)) as memory_key,
       exists (select from links l where l.tenant_id = $1::integer and l.id = $2::uuid) as link`,
    [tenantId, id],
  )
  if (row?.memory_key) return { memoryKey: row.memory_key }
  return row?.link ? { linkId: id } : undefined
}
