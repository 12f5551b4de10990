import { type Database, type Sql, singly } from '../db/index.ts'
import { type Embedder, vectorText } from '../embed/index.ts'
import type { EventRecord, RecordFailure } from '../handler/index.ts'
import { applyByTenant, sortRecords, type TenantBatch } from '../outbox/index.ts'

export type IndexDeps = { worker: Database; embedder: Embedder; generation: () => Promise<number>; onIndexed?: (lagSeconds: number) => void; onFailure?: () => void }
type Wanted = { memory_key: string; version: number; text: string; namespace_key: number; user_key: number | null; recorded_at: Date }

/** Embeds the versions that a batch of events names, as far as they are still the present ones, and upserts them under a version guard. */
export async function indexVectors(deps: IndexDeps, records: readonly EventRecord[]): Promise<RecordFailure[]> {
  const { batches, failures } = await sortRecords(deps.worker, await deps.generation(), records)
  const relevant = batches
    .map((batch) => ({ ...batch, events: batch.events.filter(({ event }) => event.type === 'created' || event.type === 'updated') }))
    .filter((batch) => batch.events.length)
  return applyByTenant(relevant, failures, (batch) => indexBatch(deps, batch))
}

async function indexBatch({ worker, embedder, onIndexed, onFailure }: IndexDeps, { tenantId, events }: TenantBatch): Promise<void> {
  const access = { role: 'soma_worker', tenantId } as const
  const wanted = await selectWanted(
    singly(worker, { ...access, readOnly: true }),
    tenantId,
    events.map(({ event }) => event.id),
  )
  if (!wanted.length) return
  try {
    // embedding may take seconds: no transaction is open meanwhile
    const vectors = await embedder.embed(wanted.map((row) => row.text))
    const modelKey = await resolveModel(worker, embedder)
    await upsertVectors(singly(worker, access), tenantId, modelKey, wanted, vectors)
  } catch (error) {
    onFailure?.()
    throw error
  }
  onIndexed?.(Math.max(...wanted.map((row) => (Date.now() - row.recorded_at.getTime()) / 1000)))
}

/** What still waits for its vector among these memories: an older event of a memory finds its newest version, and does that at once. */
function selectWanted(tx: Sql, tenantId: number, ids: string[]): Promise<Wanted[]> {
  return tx.query<Wanted>(
    `select m.memory_key, m.version, m.text, m.namespace_key, m.user_key, m.recorded_at from memories m
     join vector_pending q on q.tenant_id = m.tenant_id and q.memory_key = m.memory_key
     where m.tenant_id = $1::integer and m.id = any ($2::uuid[]) order by m.memory_key`,
    [tenantId, ids],
  )
}

/** The guard: a row lock on the very version that was embedded. Where that is gone or was replaced meanwhile, nothing is written. */
async function upsertVectors(tx: Sql, tenantId: number, modelKey: number, rows: Wanted[], vectors: Float32Array[]): Promise<void> {
  const keys = rows.map((row) => row.memory_key)
  const versions = rows.map((row) => row.version)
  await tx.query(
    `with present as materialized (
       select m.memory_key, m.version, m.namespace_key, m.user_key, w.embedding
       from memories m join unnest($3::bigint[], $4::integer[], $5::text[]) w (memory_key, version, embedding) on w.memory_key = m.memory_key and w.version = m.version
       where m.tenant_id = $1::integer and m.memory_key = any ($3::bigint[]) order by m.memory_key for share of m
     ), written as (
       insert into vectors (tenant_id, model_key, namespace_key, user_key, memory_key, version, embedding)
       select $1::integer, $2::smallint, p.namespace_key, p.user_key, p.memory_key, p.version, p.embedding::halfvec from present p
       on conflict (tenant_id, model_key, memory_key) do update set version = excluded.version, embedding = excluded.embedding, namespace_key = excluded.namespace_key, user_key = excluded.user_key
       where vectors.version <= excluded.version
     )
     delete from vector_pending q using present p where q.tenant_id = $1::integer and q.memory_key = p.memory_key and q.version <= p.version`,
    [tenantId, modelKey, keys, versions, vectors.map(vectorText)],
  )
}

const models = new WeakMap<Database, Map<string, number>>()
/** The key of a model and dimension; new ones are entered. No two models ever share one. */
async function resolveModel(worker: Database, { model, dimension }: Embedder): Promise<number> {
  const known = models.get(worker) ?? new Map<string, number>()
  models.set(worker, known)
  const name = `${model}/${dimension}`
  const cached = known.get(name)
  if (cached !== undefined) return cached
  const key = await worker.transaction({ role: 'soma_worker', tenantId: null }, async (tx) => {
    await tx.query('insert into embedding_models (name, dimension) values ($1::text, $2::integer) on conflict do nothing', [model, dimension])
    const [row] = await tx.query<{ model_key: number }>('select model_key from embedding_models where name = $1::text and dimension = $2::integer', [model, dimension])
    return (row as { model_key: number }).model_key
  })
  known.set(name, key)
  return key
}
