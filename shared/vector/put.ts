import { type Database, singly } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import { liveCollections } from './collections.ts'
import { keptOf, rowsOf } from './engine-rows.ts'
import type { EngineRow, Place, VectorEngine } from './port.ts'
import type { Embedded } from './turns.ts'
import { writeVectors } from './write-vectors.ts'

export type PutDeps = { worker: Database; engine?: VectorEngine | undefined }
const attempts = 4

/**
 * Writes vectors of one model, the engine first: a version is taken off vector_pending by the statement that follows, so what waits no more is found there. What
 * a crash or a race leaves in between are places of the engine that nothing points to. Answers whether the model is the one that is searched.
 * @throws AppError unavailable while the engine is away: the versions go on waiting
 */
export async function putVectors({ worker, engine }: PutDeps, tenantId: number, modelKey: number, rows: Embedded[], vectors: Float32Array[]): Promise<boolean> {
  const sql = singly(worker, { role: 'soma_worker', tenantId })
  if (!engine) return (await writeVectors(sql, tenantId, modelKey, rows, vectors)).searched
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const collections = (await liveCollections(sql, modelKey)).map(({ name }) => name)
    const engineRows = collections.length ? await rowsOf(sql, tenantId, rows, vectors) : []
    // a version whose turn has changed has its place already, with another vector
    const again = rows.some((row) => row.context !== undefined)
    for (const collection of collections) await putRows(engine, collection, tenantId, engineRows, again)
    // a collection whose building began meanwhile does not have them, and its builder may have passed them by
    const { searched, unheard } = await writeVectors(sql, tenantId, modelKey, rows, vectors, collections)
    if (!unheard) return searched
  }
  throw new AppError('conflict', 'Collections of the vector engine were begun again and again while this was indexed.')
}

/** Brings memories whose vectors Postgres has into the collections of all models: after a change that needed no new vector, or a loss. */
export async function syncRows({ worker, engine }: PutDeps & { engine: VectorEngine }, tenantId: number, ids: string[]): Promise<void> {
  const sql = singly(worker, { role: 'soma_worker', tenantId })
  for (const { name, modelKey } of await liveCollections(sql)) await putRows(engine, name, tenantId, await keptOf(sql, tenantId, modelKey, { ids }))
}

/** Removes memories that are forgotten from the collections of all models. */
export async function removeGone({ worker, engine }: PutDeps & { engine: VectorEngine }, tenantId: number, ids: string[]): Promise<void> {
  const sql = singly(worker, { role: 'soma_worker', tenantId })
  const rows = await sql.query<{ id: string }>(
    'select w.id from unnest($2::uuid[]) w (id) where not exists (select from memories m where m.tenant_id = $1::integer and m.id = w.id)',
    [tenantId, ids],
  )
  if (!rows.length) return
  for (const { name } of await liveCollections(sql)) {
    await engine.removeMemories(
      name,
      tenantId,
      rows.map(({ id }) => id),
    )
  }
}

/**
 * Inserts what is not there yet; `again`: what is there is made anew. Milvus could also upsert, but loses rows by it where a field is the partition key (seen with 2.3.5: of 1,000 upserted 13 were
 * there); a place says its version, so what is there is right. Two that insert one place at the same moment leave it twice, which is one for whoever searches.
 */
export async function insertAbsent(engine: VectorEngine, collection: string, tenantId: number, rows: EngineRow[], again = false): Promise<void> {
  const wanted = new Set(rows.map(placeName))
  const known = (await engine.placesOf(collection, tenantId, keysOf(rows), again)).filter((place) => wanted.has(placeName(place)))
  if (again && known.length) await engine.remove(collection, tenantId, known)
  const names = new Set(again ? [] : known.map(placeName))
  const absent = rows.filter((row) => !names.has(placeName(row)))
  if (absent.length) await engine.insert(collection, absent)
}

/** Afterwards they are found; earlier versions of them are gone. @throws AppError unavailable when the engine took them and does not show them */
export async function putRows(engine: VectorEngine, collection: string, tenantId: number, rows: EngineRow[], again = false): Promise<void> {
  if (!rows.length) return
  await insertAbsent(engine, collection, tenantId, rows, again)
  const places = await engine.placesOf(collection, tenantId, keysOf(rows), true)
  const versions = new Map(rows.map((row) => [row.memoryKey, row.version]))
  const shown = new Set(places.map(placeName))
  const hidden = rows.find((row) => !shown.has(placeName(row)))
  if (hidden) throw new AppError('unavailable', `The vector engine took a vector and does not show it (memory ${hidden.memoryKey} in ${collection}).`)
  const older = places.filter((place) => place.version < (versions.get(place.memoryKey) as number))
  if (older.length) await engine.remove(collection, tenantId, older)
}

const keysOf = (rows: EngineRow[]): string[] => rows.map((row) => row.memoryKey)

/** One text for a place: also its primary key in Milvus. */
export const placeName = ({ memoryKey, version }: Place): string => `${memoryKey}.${version}`
