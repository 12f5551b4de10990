import type { Sql } from '../db/index.ts'

/**
 * The vectors of a large scope, (tenant, namespace, model), are in HNSW graphs by ranges of memory_key: `from` up to, and without, `to`. As keys grow with time, what
 * comes new belongs to no graph, and costs none an insertion; build-ann makes the next one of it. Each is a partial index, and its name says what it holds.
 */
export type Range = { from: number; to: number }
export type Graph = Range & { name: string; vectors: number }
type Place = { tenantId: number; namespaceKey: number; modelKey: number }

/** What the names of a scope's graphs begin with. */
export const graphsName = ({ tenantId, namespaceKey, modelKey }: Place): string => `vectors_ann_${tenantId}_${namespaceKey}_${modelKey}`
/** 63 bytes at most, which is what a name may have. */
export const graphName = (place: Place, { from, to }: Range): string => `${graphsName(place)}_${from.toString(36)}_${to.toString(36)}`

/** SQL: the names of the graphs of a scope that can be searched, as an array. They are those of the catalog, so they are there. All three keys are integers of ours. */
export function graphNames(place: Place): string {
  const name = graphsName(place)
  // the character after _ is `
  return `array(select c.relname::text from pg_class c join pg_index i on i.indexrelid = c.oid
     where c.relname >= '${name}_' and c.relname < '${name}\`' and c.relnamespace = current_schema()::regnamespace and i.indisvalid)`
}

/** The graphs that a scope has, in the order of their ranges; `valid` false are those that a build left behind. */
export async function readGraphs(sql: Sql, place: Place): Promise<(Graph & { valid: boolean })[]> {
  const rows = await sql.query<{ name: string; vectors: number; valid: boolean }>(
    `select c.relname as name, greatest(c.reltuples, 0)::double precision as vectors, i.indisvalid as valid from pg_class c join pg_index i on i.indexrelid = c.oid
     where c.relname like $1::text and c.relnamespace = current_schema()::regnamespace`,
    [`${graphsName(place).replaceAll('_', '\\_')}\\_%`],
  )
  return rows.map((row) => ({ ...row, ...rangeOf(row.name) })).sort((a, b) => a.from - b.from || b.to - a.to)
}

export function rangeOf(name: string): Range {
  const [from = '', to = ''] = name.split('_').slice(-2)
  return { from: Number.parseInt(from, 36), to: Number.parseInt(to, 36) }
}

/**
 * Graphs that together hold what they can, each vector in one of them, and the ranges that none holds, the last of them without an end. While one is made of several,
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
  return { chosen, rest: [...rest, { from: end, to: Number.POSITIVE_INFINITY }] }
}

/**
 * Which of the newest parts become one, the last of them perhaps not a graph yet; undefined: none. A part gives way when what came after it is `growth` times as much.
 * So a scope of n vectors has some growth · log(n) graphs, and each vector is put into a graph log(n) times (the logarithmic method of Bentley & Saxe 1980).
 * A graph of more than `most` would be finished on disk, many times as slowly.
 */
export function mergeOf<Part extends { vectors: number }>(parts: readonly Part[], { growth, most }: { growth: number; most: number }): Part[] | undefined {
  let newer = 0
  let run: Part[] | undefined
  for (let i = parts.length - 1; i >= 0; i--) {
    const { vectors } = parts[i] as Part
    if (newer + vectors > most) break
    if (i < parts.length - 1 && newer >= growth * vectors) run = parts.slice(i)
    newer += vectors
  }
  return run
}
