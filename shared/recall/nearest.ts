import type { Sql } from '../db/index.ts'
import { type EmbedCall, type Embedder, takesPreviousTurn, vectorText } from '../embed/index.ts'
import type { Params } from '../filter/index.ts'
import { sourcesAt } from '../memory/index.ts'
import { coverOf, embeddedBy, graphNames, type Range, rangeOf, type Unembedded, withPrevious } from '../vector/index.ts'
import type { LexicalHit } from './lexical.ts'
import type { Scope } from './scope.ts'
import { type Found, type Hit, type HitRow, hitColumns, hitOf, memoryOfHit, type View } from './view.ts'
import { candidates, hnsw, largeScope, tailSize } from './weights.ts'

export type VectorHit = Hit & { cosine: number }
/** A candidate of the words brings its own importance and time: its conditions hold already. */
type Row = { cosine: number } & (HitRow | { memory_key: string; importance: null })

/**
 * The nearest memories of a scope by cosine, and the cosine of the candidates that the words found. A small scope is read whole (exact); a large one
 * goes through its HNSW graphs with iterative scans, so that conditions do not starve it, and what came after them is read whole. `view` says which rows of memories count, as m.
 * Of present vectors only those `among` some keys are read, where these are given: what another engine holds to be near.
 */
export async function searchNearest(
  tx: Sql,
  tenantId: number,
  scope: Scope & { modelKey: number },
  query: Float32Array,
  words: LexicalHit[],
  view: View,
  p: Params,
  { topK, among }: { topK: number; among?: string[] },
): Promise<VectorHit[]> {
  const graphs = among === undefined && scope.memories >= largeScope ? await readGraphs(tx, { ...scope, tenantId }) : undefined
  const vector = p.add(vectorText(query), 'halfvec')
  const keys = p.add(
    words.map((hit) => hit.key),
    'bigint[]',
  )
  // the graphs are partial indexes: their predicates are matched by the same literals, whatever plan mode is in force. All of them are integers of ours.
  const literals = `v.tenant_id = ${Math.trunc(tenantId)} and v.namespace_key = ${Math.trunc(scope.namespaceKey)} and v.model_key = ${Math.trunc(scope.modelKey)}`
  const own = scope.column === 'user_key' ? ` and v.user_key = ${p.add(scope.key, 'integer')}` : ''
  const memory = (found: Found) => memoryOfHit(view, 'v', found, ' and m.version = v.version')
  const search = { scope: `${literals}${own}`, vector, keys, memory, known: view.known, among: among && p.add(among, 'bigint[]') }
  const rows = graphs?.chosen.length ? await searchGraphs(tx, search, query.length, graphs, topK, p.values) : await tx.query<Row>(exactly(search), p.values)
  const found = new Map(words.map((hit) => [hit.key, hit]))
  return rows.map((row) => ({ ...(row.importance === null ? (found.get(row.memory_key) as LexicalHit) : hitOf(row)), cosine: row.cosine }))
}

type Cover = ReturnType<typeof coverOf<Range>>
type Search = { scope: string; vector: string; keys: string; memory: (found: Found) => string; known: string | undefined; among: string | undefined }

/** Reads the scope's vectors once, then looks at memories in the order of distance. Measured on 5,000 of 100,000: 8 ms where a plain join took 22. */
function exactly({ scope, vector, keys, memory, known, among }: Search): string {
  const distance = `v.embedding <=> ${vector} as distance`
  const present = among === undefined ? scope : `${scope} and (v.memory_key = any (${among}) or v.memory_key = any (${keys}))`
  const closed = known === undefined ? '' : 'v.closed is not null or '
  const near = among === undefined ? '' : ` where (${closed}v.memory_key = any (${among}))`
  const scan =
    known === undefined
      ? `select v.memory_key, v.version, ${distance} from vectors v where ${present}`
      : `select v.memory_key, v.version, null::integer as closed, ${distance} from vectors v where ${present} and v.recorded_at <= ${known}
         union all select v.memory_key, v.version, v.version, ${distance} ${closedVectors(scope, known)}`
  return `with scanned as materialized (${scan})
     (select v.memory_key, ${hitColumns}, 1 - v.distance as cosine from (select * from scanned v${near} order by distance) v ${memory('both')} order by v.distance limit ${candidates.nearest})
     union all
     select v.memory_key, null, null, null, 1 - v.distance from scanned v where v.memory_key = any (${keys})`
}

/** The graphs of a scope that are to be searched; none where its engine has none, or the job has not built them yet. */
async function readGraphs(tx: Sql, place: { tenantId: number; namespaceKey: number; modelKey: number }): Promise<Cover> {
  const [row] = await tx.query<{ graphs: string[] }>(`select ${graphNames(place)} as graphs`)
  return coverOf((row?.graphs ?? []).map(rangeOf))
}

/** Each of so many graphs has its share of the nearest: all of them together are searched as broadly as one, and at least for what is asked for. */
const breadthIn = (graphs: number, topK: number) => Math.max(hnsw.leastBreadth, topK, Math.ceil(hnsw.breadth / graphs))

function setBreadth(tx: Sql, breadth: number): Promise<unknown> {
  return tx.query(
    `select set_config('hnsw.ef_search', '${breadth}', true), set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.max_scan_tuples', '${hnsw.maxScanTuples}', true)`,
  )
}

async function searchGraphs(tx: Sql, search: Search, dimension: number, graphs: Cover, topK: number, values: unknown[]): Promise<Row[]> {
  const breadth = breadthIn(graphs.chosen.length, topK)
  // on its way together with the search
  const [, rows] = await Promise.all([setBreadth(tx, breadth), tx.query<Row>(throughGraphs(search, dimension, graphs, Math.min(candidates.nearest, breadth)), values)])
  return rows
}

function throughGraphs({ scope, vector, keys, memory, known }: Search, dimension: number, { chosen, rest }: Cover, each: number): string {
  const distance = `(v.embedding::halfvec(${dimension})) <=> ${vector}::halfvec(${dimension})`
  const open = known === undefined ? '' : ` and v.recorded_at <= ${known}`
  const within = ({ from, to }: Range) =>
    from === 0 && to === Number.POSITIVE_INFINITY ? 'true' : `v.memory_key >= ${from}${Number.isFinite(to) ? ` and v.memory_key < ${to}` : ''}`
  const found = (from: string, order: string, most: number = candidates.nearest) =>
    `(select v.memory_key, ${hitColumns}, 1 - (${order}) as cosine ${from} order by ${order} limit ${most})`
  const words = (from: string) =>
    `select v.memory_key, null::double precision, null::timestamptz, null::boolean, 1 - (v.embedding <=> ${vector}) ${from} and v.memory_key = any (${keys})`
  // the last range has no end; an index over everything leaves none
  const newer = `select v.memory_key, v.version, v.embedding <=> ${vector} as distance from vectors v where ${scope}${open} and (${rest.map(within).join(' or ') || 'false'})`
  const parts = chosen.map((graph) => found(`from vectors v ${memory('open')} where ${scope}${open} and ${within(graph)}`, distance, each))
  parts.push(found(`from (select * from newer order by distance) v ${memory('open')}`, 'v.distance'))
  // versions that were closed since have no graph: of a large scope at an early instant this reads each of them
  const closed = known === undefined ? '' : `(select v.*, v.version as closed ${closedVectors(scope, known)} offset 0) v`
  if (closed) parts.push(found(`from ${closed} ${memory('closed')}`, `v.embedding <=> ${vector}`))
  const near = `select * from (${parts.join(' union all ')}) n order by n.cosine desc limit ${candidates.nearest}`
  return [`with newer as materialized (${newer}) (${near})`, words(`from vectors v where ${scope}${open}`), ...(closed ? [words(`from ${closed} where true`)] : [])].join(
    ' union all ',
  )
}

function closedVectors(scope: string, known: string): string {
  return `from closed_vectors v where ${scope} and v.closed_at > ${known} and v.recorded_at <= ${known}`
}

export type TailRow = HitRow & Unembedded

/** What was stored but not indexed yet, newest first, as `model` is to embed it; one row more than recall embeds tells that there are more. */
export function readTail(tx: Sql, scope: Scope, model: string, view: View, p: Params): Promise<TailRow[]> {
  const own = scope.column === 'user_key' ? ` and q.user_key = ${p.add(scope.key, 'integer')}` : ''
  const found = `select m.memory_key, m.version, m.text, m.speaker, m.session_key, m.occurred_at, m.created_at, m.expires_at, m.importance
     from vector_pending q join memories m on m.tenant_id = q.tenant_id and m.memory_key = q.memory_key and m.version = q.version
     where q.tenant_id = $1::integer and q.namespace_key = ${p.add(scope.namespaceKey, 'integer')}${own} and ${sourcesAt(view.known)[0]?.condition} and ${view.conditions} order by q.memory_key desc limit ${tailSize + 1}`
  const previous = takesPreviousTurn(model) ? { column: 'c.previous', join: withPrevious('m') } : { column: 'null as previous', join: '' }
  return tx.query<TailRow>(
    `select m.memory_key, m.version, m.text, m.speaker, ${previous.column}, m.importance, coalesce(m.occurred_at, m.created_at) as occurred_at, false as closed
     from (${found}) m ${previous.join} order by m.memory_key desc`,
    p.values,
  )
}

/** Embeds the tail, so that a store is found by meaning from its answer on. */
export async function searchTail(rows: TailRow[], query: Float32Array, embedder: Embedder, call: EmbedCall): Promise<VectorHit[]> {
  const texts = embeddedBy(embedder, rows).map((row) => row.text)
  const vectors = await embedder.embed(texts, call)
  return rows.map((row, i) => ({ ...hitOf(row), cosine: dot(query, vectors[i] as Float32Array) }))
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
