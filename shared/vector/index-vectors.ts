import { type Database, singly } from '../db/index.ts'
import { type Embedder, type Embedders, embedderOf, isOf, isRefusal, plainText, takesPreviousTurn } from '../embed/index.ts'
import type { EventRecord, RecordFailure } from '../handler/index.ts'
import { applyByTenant, NeverApplies, sortRecords, type TenantBatch } from '../outbox/index.ts'
import { AppError } from '../problem/index.ts'
import { modelsInUse } from './models.ts'
import type { VectorEngine } from './port.ts'
import { placeName, putVectors, removeGone, syncRows } from './put.ts'
import type { Model } from './roles.ts'
import { dropOvertaken, type Embedded, embeddedBy } from './turns.ts'
import { readKept, selectWanted, type Wanted } from './wanted.ts'

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
const attempts = 4
type Models = Awaited<ReturnType<typeof modelsInUse>>
const types: readonly string[] = ['created', 'updated', 'deleted', 'erased']

/** Embeds the versions that a batch of events names, as far as they are still the present ones, and what follows them where that is to be redone, and upserts them under a version guard. */
export async function indexVectors(deps: IndexDeps, records: readonly EventRecord[]): Promise<RecordFailure[]> {
  const { batches, failures } = await sortRecords(deps.worker, await deps.generation(), records)
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

/**
 * The ids of what waited for its vector, and has it now. What was put between two turns while their vectors were made is seen by the look that follows; so is what was
 * not written, as its memory or the turn before it had another version by then.
 */
async function indexBatch(deps: IndexDeps, { tenantId, tenant, events }: TenantBatch): Promise<Set<string>> {
  const access = { role: 'soma_worker', tenantId } as const
  const ids = events.map(({ event }) => event.id)
  const done = new Set<string>()
  for (let attempt = 1; ; attempt++) {
    const models = await modelsInUse(deps.worker, deps.embedder)
    const contextual = models.filter(({ name }) => takesPreviousTurn(name)).map(({ key }) => key)
    if (contextual.length) await dropOvertaken(singly(deps.worker, access), tenantId, contextual, ids)
    const wanted = await selectWanted(singly(deps.worker, { ...access, readOnly: true }), tenantId, ids)
    if (!wanted.length) return done
    if (attempt > attempts) throw new AppError('conflict', 'What this indexes, or the model that is searched, was changed again and again meanwhile.')
    let searched: boolean
    try {
      searched = await embedWanted(deps, { tenantId, tenant }, models, wanted)
    } catch (error) {
      deps.onFailure?.()
      throw error
    }
    deps.onIndexed?.(Math.max(...wanted.map((row) => (Date.now() - row.since.getTime()) / 1000)))
    for (const { id } of wanted) done.add(id)
    if (searched && !contextual.length) return done
  }
}

/** False when another model was made the searched one meanwhile: what is written is good, and what is searched now is to be done. */
async function embedWanted(deps: IndexDeps, { tenantId, tenant }: Pick<TenantBatch, 'tenantId' | 'tenant'>, [searched, kept]: Models, wanted: Wanted[]): Promise<boolean> {
  const beside = kept && embedBeside(deps, kept, wanted, tenant)
  const embedder = embedderOf(deps, searched)
  const rows = embeddedBy(embedder, wanted)
  // embedding may take seconds: no transaction is open meanwhile
  const vectors = await embedMissing(deps, tenantId, searched.key, rows, (lacking) => embedOrTell(embedder, lacking, tenant))
  const done = await putVectors(deps, tenantId, searched.key, rows, vectors)
  const others = await beside
  if (kept && others) await putVectors(deps, tenantId, kept.key, others.rows, others.vectors)
  return done
}

/** With an engine beside, an import's own vectors wait here too, for the engine: they are not made again. */
async function embedMissing(deps: IndexDeps, tenantId: number, modelKey: number, rows: Embedded[], embed: (texts: string[]) => Promise<Float32Array[]>): Promise<Float32Array[]> {
  if (!deps.engine) return embed(rows.map((row) => row.text))
  const nameOf = (row: Embedded) => placeName({ memoryKey: row.memory_key, version: row.version })
  const found = await readKept(singly(deps.worker, { role: 'soma_worker', tenantId, readOnly: true }), tenantId, modelKey, rows)
  const lacking = rows.filter((row) => !found.has(nameOf(row)))
  const made = lacking.length ? await embed(lacking.map((row) => row.text)) : []
  for (const [i, row] of lacking.entries()) found.set(nameOf(row), made[i] as Float32Array)
  return rows.map((row) => found.get(nameOf(row)) as Float32Array)
}

const restUntil = new WeakMap<Embedder, number>()
/** Vectors of the model that is kept beside, or none: it must not hold back the one that is searched, and the job reembed makes up for it. */
async function embedBeside(deps: IndexDeps, model: Model, wanted: Wanted[], tenant: string): Promise<{ rows: Embedded[]; vectors: Float32Array[] } | undefined> {
  const embedder = [deps.embedder, deps.next].find((one) => one && isOf(one, model))
  if (!embedder || (restUntil.get(embedder) ?? 0) > Date.now()) return undefined
  try {
    const rows = embeddedBy(embedder, wanted)
    const texts = rows.map((row) => row.text)
    return { rows, vectors: await embedder.embed(texts, { tenant, signal: AbortSignal.timeout(besideMs) }) }
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
