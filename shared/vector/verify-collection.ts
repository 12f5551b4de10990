import { type Database, type Sql, singly } from '../db/index.ts'
import { keptOf } from './engine-rows.ts'
import { mostPlaces, type Place, type VectorEngine } from './port.ts'
import { placeName, putRows } from './put.ts'

/** `missing`: vectors of Postgres that the engine has not. `stale`: places of it that nothing in Postgres stands behind, and vectors that differ. */
export type Divergence = { missing: number; stale: number; repaired: number }
export type EngineCheck = Divergence & { vectors: number; sampled: number }
export type CheckDeps = { worker: Database; engine: VectorEngine; repair: boolean }

const pageRows = 1_000
/** Of each page so many vectors are compared, number by number. */
const sampled = 10
/** Postgres keeps half floats: of one vector in both forms the cosine is above 0.9999. */
const leastCosine = 0.999

/**
 * Holds a tenant's places in a collection against the vectors of Postgres, every one by its name and a sample by its numbers, while both are written. What
 * differs is looked at again before it counts: it may have been on its way.
 */
export async function verifyCollection(deps: CheckDeps, collection: string, tenantId: number, modelKey: number, signal: AbortSignal): Promise<EngineCheck> {
  const { worker, engine } = deps
  const sql = singly(worker, { role: 'soma_worker', tenantId, readOnly: true })
  const found: EngineCheck = { vectors: await engine.count(collection, tenantId), missing: 0, stale: 0, repaired: 0, sampled: 0 }
  let after: string | undefined = '0'
  while (after !== undefined && !signal.aborted) {
    const wanted = await wantedAfter(sql, tenantId, modelKey, after)
    const upTo = wanted.length < pageRows ? undefined : wanted.at(-1)?.memoryKey
    const places = await engine.placesBetween(collection, tenantId, after, upTo)
    const names = new Set(places.map(placeName))
    const lacking = await stillWanted(
      sql,
      tenantId,
      modelKey,
      wanted.filter((place) => !names.has(placeName(place))),
    )
    const extra = await unfounded(sql, tenantId, places, new Set(wanted.map(placeName)))
    const shared = wanted.filter((place) => names.has(placeName(place)))
    const sample = spread(shared, sampled)
    const differing = await stillWanted(sql, tenantId, modelKey, await differingVectors(deps, collection, tenantId, modelKey, sample))
    found.missing += lacking.length
    found.stale += extra.length + differing.length
    found.sampled += sample.length
    if (deps.repair) {
      const keys = [...lacking, ...differing].map((place) => place.memoryKey)
      const rows = keys.length ? await keptOf(sql, tenantId, modelKey, { keys }) : []
      // a place that differs is made anew
      if (differing.length) await engine.remove(collection, tenantId, differing)
      await putRows(engine, collection, tenantId, rows)
      if (extra.length) await engine.remove(collection, tenantId, extra)
      found.repaired += rows.length + extra.length
    }
    // where so much is there that not all of it was answered, what was removed makes room for the rest
    if (!(places.length >= mostPlaces && deps.repair && extra.length)) after = upTo
  }
  return found
}

async function wantedAfter(sql: Sql, tenantId: number, modelKey: number, after: string): Promise<Place[]> {
  const rows = await sql.query<{ memory_key: string; version: number }>(
    `select v.memory_key, v.version from vectors v where v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key > $3::bigint order by v.memory_key limit ${pageRows}`,
    [tenantId, modelKey, after],
  )
  return rows.map((row) => ({ memoryKey: row.memory_key, version: row.version }))
}

/** Those whose vector is still the one of the present version. What waits for its vector is on its way. */
async function stillWanted(sql: Sql, tenantId: number, modelKey: number, places: Place[]): Promise<Place[]> {
  if (!places.length) return []
  const rows = await sql.query<{ name: string }>(
    `select w.memory_key || '.' || w.version as name from unnest($3::bigint[], $4::integer[]) w (memory_key, version)
     join vectors v on v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key = w.memory_key and v.version = w.version
     join memories m on m.tenant_id = $1::integer and m.memory_key = w.memory_key and m.version = w.version
     where not exists (select from vector_pending q where q.tenant_id = $1::integer and q.memory_key = w.memory_key)`,
    [tenantId, modelKey, places.map((place) => place.memoryKey), places.map((place) => place.version)],
  )
  const names = new Set(rows.map(({ name }) => name))
  return places.filter((place) => names.has(placeName(place)))
}

/** Places of versions that are not the present ones: of what is forgotten, was replaced, or never was in this database. The present version's may be about to be written. */
async function unfounded(sql: Sql, tenantId: number, places: Place[], wanted: Set<string>): Promise<Place[]> {
  const others = places.filter((place) => !wanted.has(placeName(place)))
  if (!others.length) return []
  const rows = await sql.query<{ name: string }>(
    `select w.memory_key || '.' || w.version as name from unnest($2::bigint[], $3::integer[]) w (memory_key, version)
     where not exists (select from memories m where m.tenant_id = $1::integer and m.memory_key = w.memory_key and m.version = w.version)`,
    [tenantId, others.map((place) => place.memoryKey), others.map((place) => place.version)],
  )
  const names = new Set(rows.map(({ name }) => name))
  return others.filter((place) => names.has(placeName(place)))
}

async function differingVectors({ worker, engine }: CheckDeps, collection: string, tenantId: number, modelKey: number, sample: Place[]): Promise<Place[]> {
  if (!sample.length) return []
  const theirs = await engine.vectorsAt(collection, tenantId, sample)
  const sql = singly(worker, { role: 'soma_worker', tenantId, readOnly: true })
  const ours = await keptOf(sql, tenantId, modelKey, { keys: sample.map((place) => place.memoryKey) })
  const byName = new Map(ours.map((row) => [placeName(row), row.vector]))
  return theirs.filter((place) => {
    const vector = byName.get(placeName(place))
    return vector !== undefined && cosine(vector, place.vector) < leastCosine
  })
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, ofA, ofB] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] ?? 0]
    dot += x * y
    ofA += x * x
    ofB += y * y
  }
  return ofA && ofB ? dot / Math.sqrt(ofA * ofB) : 0
}

/** `count` of a list, taken evenly. */
function spread<T>(list: T[], count: number): T[] {
  const step = Math.max(1, list.length / count)
  return Array.from({ length: Math.min(count, list.length) }, (_, i) => list[Math.floor(i * step)] as T)
}
