import type { Sql } from '../db/index.ts'
import { previousTurn, type Said, takesPreviousTurn, textOfTurn } from '../embed/index.ts'

/** The turn that is embedded before another: its key as text, its version, and of its text no more than may be needed. */
export type Previous = Said & { key: string; version: number }

/** `$1` is the tenant. The place before that of `row` in its session; `columns` of it, as c. By an index: one look-up. */
const before = (row: string, columns: string) => `select ${columns} from memories c where c.tenant_id = $1::integer and c.session_key = ${row}.session_key
    and (c.occurred_at, c.memory_key) < (${row}.occurred_at, ${row}.memory_key) order by c.occurred_at desc, c.memory_key desc limit 1`
/** A turn that is to expire goes into no vector that outlives it. */
const lasts = (row: string) => `(c.expires_at is null or c.expires_at >= ${row}.expires_at)`

/** Joins a present memory with the turn before it as c, where there is one that is embedded with it. */
const joinPrevious = (row: string, columns: string) => `left join lateral (${before(row, `${columns}, c.expires_at`)}) c on ${lasts(row)}`

/** The same, as one column `previous` of c: what Previous says, or null. */
export const withPrevious = (row: string): string => joinPrevious(row, `${previousColumn('c')} as previous`)
export const previousColumn = (c: string): string =>
  `json_build_object('key', ${c}.memory_key::text, 'version', ${c}.version, 'speaker', ${c}.speaker, 'text', right(${c}.text, ${previousTurn.most}))`

/** A version as it is to be embedded: its text is what the model is given. `context` is undefined where the model takes no previous turn, null where there is none. */
export type Embedded = { memory_key: string; version: number; text: string; context?: { key: string; version: number } | null }
export type Unembedded = { memory_key: string; version: number; text: string; speaker: string | null; previous: Previous | null }

/** What a model is given of each; `context` names the turn whose words are in it. */
export function embeddedBy(model: { model: string; characters?: number | undefined }, rows: readonly Unembedded[]): Embedded[] {
  return rows.map(({ memory_key, version, text, speaker, previous }) => {
    if (!takesPreviousTurn(model.model)) return { memory_key, version, text }
    return { memory_key, version, text: textOfTurn(model, { text, speaker, previous }), context: previous && { key: previous.key, version: previous.version } }
  })
}

/** `v` is a vector whose turn is not the one that is before its memory `m` now (c). */
const otherTurn = `(v.context_key is distinct from c.memory_key or v.context_version is distinct from c.version)`

/**
 * Where something was put between two turns, or taken from there: vectors of these memories, and of those that follow them, whose turn is another one by now go, and their memories wait
 * for the event of the one that came between. `ids` may be of memories that are gone.
 */
export async function dropOvertaken(tx: Sql, tenantId: number, modelKeys: number[], ids: string[]): Promise<void> {
  await tx.query(
    `with told as materialized (
       select m.session_key, m.occurred_at, m.memory_key from memories m where m.tenant_id = $1::integer and m.id = any ($2::uuid[]) and m.session_key is not null
       union all
       select v.session_key, v.occurred_at, v.memory_key from memory_versions v where v.tenant_id = $1::integer and v.id = any ($2::uuid[]) and v.state = 'deleted' and v.session_key is not null
     ), near as materialized (
       select t.memory_key, t.memory_key as after_key from told t
       union all
       select s.memory_key, t.memory_key from told t cross join lateral (
         select c.memory_key from memories c where c.tenant_id = $1::integer and c.session_key = t.session_key
           and (c.occurred_at, c.memory_key) > (t.occurred_at, t.memory_key) order by c.occurred_at, c.memory_key limit 1) s
     ), gone as (
       delete from vectors o using near n join vectors v on v.tenant_id = $1::integer and v.model_key = any ($3::smallint[]) and v.memory_key = n.memory_key
         join memories m on m.tenant_id = $1::integer and m.memory_key = v.memory_key and m.version = v.version
         ${joinPrevious('m', 'c.memory_key, c.version')}
       where o.tenant_id = $1::integer and o.model_key = v.model_key and o.memory_key = v.memory_key and o.version = v.version and ${otherTurn}
       returning m.memory_key, m.namespace_key, m.user_key, m.version, n.after_key
     )
     insert into vector_pending (tenant_id, memory_key, namespace_key, user_key, version, queued_at, after_key)
     select distinct on (g.memory_key) $1::integer, g.memory_key, g.namespace_key, g.user_key, g.version, now(), g.after_key from gone g order by g.memory_key
     on conflict (tenant_id, memory_key) do update set after_key = excluded.after_key`,
    [tenantId, ids, modelKeys],
  )
}

/** Counts vectors of a model whose turn is another one by now, page by page; with `repair` they go. @returns how many */
export async function sweepOvertaken(tx: Sql, tenantId: number, modelKey: number, repair: boolean): Promise<number> {
  let found = 0
  for (let after = '0'; ; ) {
    const [page] = await tx.query<{ last: string | null; n: string }>(
      `with page as materialized (
         select v.memory_key, v.version, v.context_key, v.context_version from vectors v
         where v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key > $3::bigint order by v.memory_key limit ${pageRows}
       ), other as materialized (
         select v.memory_key, v.version from page v join memories m on m.tenant_id = $1::integer and m.memory_key = v.memory_key and m.version = v.version
         ${joinPrevious('m', 'c.memory_key, c.version')}
         where ${otherTurn} and not exists (select from vector_pending q where q.tenant_id = $1::integer and q.memory_key = v.memory_key)
       )${repair ? `, gone as (delete from vectors v using other o where v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key = o.memory_key and v.version = o.version)` : ''}
       select (select max(p.memory_key) from page p) as last, (select count(*) from other) as n`,
      [tenantId, modelKey, after],
    )
    found += Number(page?.n ?? 0)
    if (!page?.last) return found
    after = page.last
  }
}
const pageRows = 5_000
