import type { Sql } from '../db/index.ts'

/**
 * The vectors of a large scope, (tenant, namespace, model), are in HNSW graphs by ranges of memory_key: `from` up to, and without, `to`. As keys grow with time, what
 * comes new belongs to no graph, and costs none an insertion; build-ann makes the next one of it. Each is a partial index, and its name says what it holds.
 */
export type Range = { from: number; to: number }
type Graph = Range & { name: string }
type Place = { tenantId: number; namespaceKey: number; modelKey: number }

/** What the names of a scope's graphs begin with. */
export const graphsName = ({ tenantId, namespaceKey, modelKey }: Place): string => `vectors_ann_${tenantId}_${namespaceKey}_${modelKey}`
/** 63 bytes at most, which is what a name may have. */
export const graphName = (place: Place, { from, to }: Range): string => `${graphsName(place)}_${from.toString(36)}_${to.toString(36)}`

/** SQL: graphs of a scope as index i and its pg_class row c. The character after _ is `; an older version had one index over everything, without a range. All three keys are integers of ours. */
function fromGraphs(place: Place): string {
  const name = graphsName(place)
  return `from pg_class c join pg_index i on i.indexrelid = c.oid
    where (c.relname = '${name}' or (c.relname >= '${name}_' and c.relname < '${name}\`')) and c.relnamespace = (select t.relnamespace from pg_class t where t.oid = 'vectors'::regclass)`
}

/** SQL: the names of the graphs of a scope that can be searched, as an array. They are those of the catalog, so they are there. */
export const graphNames = (place: Place): string => `array(select c.relname::text ${fromGraphs(place)} and i.indisvalid)`

/** The graphs that a scope has; `valid` false are those that a build left behind. */
export async function readGraphs(sql: Sql, place: Place): Promise<(Graph & { valid: boolean })[]> {
  const rows = await sql.query<{ name: string; valid: boolean }>(`select c.relname as name, i.indisvalid as valid ${fromGraphs(place)} order by c.relname`)
  return rows.map((row) => ({ ...row, ...rangeOf(row.name) }))
}

/** What a name says; one of an older version holds everything. */
export function rangeOf(name: string): Range {
  const [, from, to] = /^vectors_ann_\d+_\d+_\d+_([0-9a-z]+)_([0-9a-z]+)$/.exec(name) ?? []
  return from === undefined || to === undefined ? { from: 0, to: Number.POSITIVE_INFINITY } : { from: Number.parseInt(from, 36), to: Number.parseInt(to, 36) }
}

/**
 * Graphs that together hold what they can, each vector in one of them, and the ranges that none holds, the last of them usually without an end. While one is made of several,
 * they are all there: the one that reaches farthest is taken.
 */
export function coverOf<One extends Range>(graphs: readonly One[]): { chosen: One[]; rest: Range[] } {
  const chosen: One[] = []
  const rest: Range[] = []
  let end = 0
  for (const one of [...graphs].sort((a, b) => a.from - b.from || b.to - a.to)) {
    if (one.from < end) continue
    if (one.from > end) rest.push({ from: end, to: one.from })
    chosen.push(one)
    end = one.to
  }
  return { chosen, rest: end === Number.POSITIVE_INFINITY ? rest : [...rest, { from: end, to: Number.POSITIVE_INFINITY }] }
}

/**
 * Which of the newest parts become one, the last of them perhaps not a graph yet; undefined: none. A part gives way when what came after it is `growth` times as much, or as
 * much where that would become too large. So a scope of n vectors has some growth · log(n) graphs, and 2 n / `most` beyond that; each vector is put into one log(n) times
 * (the logarithmic method of Bentley & Saxe 1980). A graph of more than `most` would be finished on disk, many times as slowly.
 */
export function mergeOf<Part extends { vectors: number }>(parts: readonly Part[], { growth, most }: { growth: number; most: number }): Part[] | undefined {
  let newer = 0
  let run: Part[] | undefined
  for (let i = parts.length - 1; i >= 0; i--) {
    const { vectors } = parts[i] as Part
    if (newer + vectors > most) break
    const times = (1 + growth) * vectors > most ? 1 : growth
    if (i < parts.length - 1 && newer >= times * vectors) run = parts.slice(i)
    newer += vectors
  }
  return run
}

/** How many vectors there are in a range, with or without a graph, no further than `most` of them; `to` is where these end. */
export function vectorsIn(sql: Sql, { tenantId, namespaceKey, modelKey }: Place, { from, to }: Range, most: number): Promise<Range & { vectors: number }> {
  const end = Number.isFinite(to) ? to : Number.MAX_SAFE_INTEGER
  return sql
    .query<{ vectors: string; last: string | null }>(
      `select count(*) as vectors, max(memory_key) as last from (select v.memory_key from vectors v where v.tenant_id = $1::integer and v.namespace_key = $2::integer and v.model_key = $3::integer
         and v.memory_key >= $4::bigint and v.memory_key < $5::bigint order by v.memory_key limit $6::bigint) held`,
      [tenantId, namespaceKey, modelKey, from, end, most],
    )
    .then(([held]) => {
      const vectors = Number(held?.vectors)
      return { from, to: end === to && vectors < most ? to : Number(held?.last) + 1, vectors }
    })
}
