import { type Database, type Sql, singly } from '../db/index.ts'
import { type Embedder, type Embedders, embedderOf, isOf, isRefusal, plainText } from '../embed/index.ts'
import type { EventRecord, RecordFailure } from '../handler/index.ts'
import { applyByTenant, NeverApplies, sortRecords, type TenantBatch } from '../outbox/index.ts'
import { AppError } from '../problem/index.ts'
import { keptOf } from './engine-rows.ts'
import { resolveModel } from './models.ts'
import type { VectorEngine } from './port.ts'
import { putVectors, removeGone, syncRows } from './put.ts'
import { type Model, readRoles } from './roles.ts'

export type IndexDeps = Embedders & {
  worker: Database
  /** Where vectors are searched beside Postgres. */
  engine?: VectorEngine | undefined
  generation: () => Promise<number>
  onIndexed?: (lagSeconds: number) => void
  onFailure?: () => void
  /** The model that is kept beside could not be asked; nothing is lost by it. */
  onBesideFailure?: (error: unknown) => void
}
/** How long a batch waits for the model beside, and how long that is left alone after it failed. */
const besideMs = 5_000
const restMs = 30_000
const attempts = 3
type Wanted = { memory_key: string; id: string; version: number; text: string; namespace_key: number; user_key: number | null; recorded_at: Date }

/** Embeds the versions that a batch of events names, as far as they are still the present ones, and upserts them under a version guard. */
export async function indexVectors(deps: IndexDeps, records: readonly EventRecord[]): Promise<RecordFailure[]> {
  const { batches, failures } = await sortRecords(deps.worker, await deps.generation(), records)
  const types: readonly string[] = deps.engine ? ['created', 'updated', 'deleted', 'erased'] : ['created', 'updated']
  const relevant = batches.map((batch) => ({ ...batch, events: batch.events.filter(({ event }) => types.includes(event.type)) })).filter((batch) => batch.events.length)
  return applyByTenant(relevant, failures, async (batch) => {
    const indexed = await indexBatch(deps, batch)
    if (deps.engine) await followChanges({ worker: deps.worker, engine: deps.engine }, batch, indexed)
  })
}

/** What changed without a new vector, and what is gone: Postgres has done it already, the engine follows. */
async function followChanges(deps: { worker: Database; engine: VectorEngine }, { tenantId, events }: TenantBatch, indexed: Set<string>): Promise<void> {
  const idsOf = (...types: string[]) => [...new Set(events.filter(({ event }) => types.includes(event.type)).map(({ event }) => event.id))]
  const changed = idsOf('updated').filter((id) => !indexed.has(id))
  if (changed.length) await syncRows(deps, tenantId, changed)
  const gone = idsOf('deleted', 'erased')
  if (gone.length) await removeGone(deps, tenantId, gone)
}

/** The ids of what waited for its vector, and has it now. */
async function indexBatch(deps: IndexDeps, { tenantId, tenant, events }: TenantBatch): Promise<Set<string>> {
  const access = { role: 'soma_worker', tenantId } as const
  const ids = events.map(({ event }) => event.id)
  for (let attempt = 1; ; attempt++) {
    const wanted = await selectWanted(singly(deps.worker, { ...access, readOnly: true }), tenantId, ids)
    if (!wanted.length) return new Set()
    try {
      if (!(await embedWanted(deps, { tenantId, tenant }, wanted))) {
        if (attempt < attempts) continue
        throw new AppError('conflict', 'The model that is searched was switched again and again while this was indexed.')
      }
    } catch (error) {
      deps.onFailure?.()
      throw error
    }
    deps.onIndexed?.(Math.max(...wanted.map((row) => (Date.now() - row.recorded_at.getTime()) / 1000)))
    return new Set(wanted.map((row) => row.id))
  }
}

/** False when another model was made the searched one meanwhile: what is written is good, and what is searched now is to be done. */
async function embedWanted(deps: IndexDeps, { tenantId, tenant }: Pick<TenantBatch, 'tenantId' | 'tenant'>, wanted: Wanted[]): Promise<boolean> {
  const { worker } = deps
  const access = { role: 'soma_worker', tenantId } as const
  const roles = await readRoles(singly(worker, { ...access, tenantId: null, readOnly: true }))
  const searched = roles ? embedderOf(deps, roles.searched) : deps.embedder
  const texts = wanted.map((row) => row.text)
  const beside = roles?.kept ? embedBeside(deps, roles.kept, texts, tenant) : undefined
  const modelKey = roles?.searched.key ?? (await resolveModel(worker, searched))
  // embedding may take seconds: no transaction is open meanwhile
  const vectors = await embedMissing(deps, tenantId, modelKey, wanted, (lacking) => embedOrTell(searched, lacking, tenant))
  const done = await putVectors(deps, tenantId, modelKey, wanted, vectors)
  const others = await beside
  if (roles?.kept && others) await putVectors(deps, tenantId, roles.kept.key, wanted, others)
  return done
}

/** With an engine beside, an import's own vectors wait here too, for the engine: they are not made again. */
async function embedMissing(deps: IndexDeps, tenantId: number, modelKey: number, wanted: Wanted[], embed: (texts: string[]) => Promise<Float32Array[]>): Promise<Float32Array[]> {
  if (!deps.engine) return embed(wanted.map((row) => row.text))
  const keys = wanted.map((row) => row.memory_key)
  const kept = await keptOf(singly(deps.worker, { role: 'soma_worker', tenantId, readOnly: true }), tenantId, modelKey, { keys })
  const found = new Map<string, Float32Array>(kept.map((row) => [`${row.memoryKey}.${row.version}`, Float32Array.from(row.vector)]))
  const lacking = wanted.filter((row) => !found.has(`${row.memory_key}.${row.version}`))
  const made = lacking.length ? await embed(lacking.map((row) => row.text)) : []
  for (const [i, row] of lacking.entries()) found.set(`${row.memory_key}.${row.version}`, made[i] as Float32Array)
  return wanted.map((row) => found.get(`${row.memory_key}.${row.version}`) as Float32Array)
}

const restUntil = new WeakMap<Embedder, number>()
/** Vectors of the model that is kept beside, or none: it must not hold back the one that is searched, and the job reembed makes up for it. */
async function embedBeside(deps: IndexDeps, model: Model, texts: string[], tenant: string): Promise<Float32Array[] | undefined> {
  const embedder = [deps.embedder, deps.next].find((one) => one && isOf(one, model))
  if (!embedder || (restUntil.get(embedder) ?? 0) > Date.now()) return undefined
  try {
    return await embedder.embed(texts, { tenant, signal: AbortSignal.timeout(besideMs) })
  } catch (error) {
    restUntil.set(embedder, Date.now() + restMs)
    deps.onBesideFailure?.(error)
    return undefined
  }
}

/** A text is refused for good when another one is taken at that moment; when none is, the server or its settings are at fault, and nothing of the memory's. */
async function embedOrTell(embedder: Embedder, texts: string[], tenant: string): Promise<Float32Array[]> {
  try {
    return await embedder.embed(texts, { tenant })
  } catch (error) {
    if (texts.length > 1 || !isRefusal(error)) throw error
    await embedder.embed([plainText], { tenant }).catch((cause) => {
      throw new AppError('unavailable', error.message, { cause })
    })
    throw new NeverApplies(error.message, { cause: error })
  }
}

/** What still waits for its vector among these memories: an older event of a memory finds its newest version, and does that at once. */
function selectWanted(tx: Sql, tenantId: number, ids: string[]): Promise<Wanted[]> {
  return tx.query<Wanted>(
    `select m.memory_key, m.id, m.version, m.text, m.namespace_key, m.user_key, m.recorded_at from memories m
     join vector_pending q on q.tenant_id = m.tenant_id and q.memory_key = m.memory_key
     where m.tenant_id = $1::integer and m.id = any ($2::uuid[]) order by m.memory_key`,
    [tenantId, ids],
  )
}
