import { type Database, singly } from '../db/index.ts'
import { type Embedders, embedderOf, takesPreviousTurn } from '../embed/index.ts'
import type { JobReport } from '../handler/index.ts'
import { forEachTenant } from '../tenant/index.ts'
import { countIndex, liveCollections, type Model, modelsInUse, sweepOvertaken, type VectorEngine, verifyCollection } from '../vector/index.ts'
import { fillTenant } from './fill.ts'

export type VerifyDeps = Embedders & {
  worker: Database
  engine?: VectorEngine | undefined
  repair: boolean
  onRefused: (place: { tenantId: number; memoryKey: string; model: string }, error: unknown) => void
}
/**
 * `missing`: memories without a vector that do not wait for one, and vectors that the second engine has not; `stale`: vectors of a version that is not the present
 * one, in either, or behind a turn that is not the one before it any more. Both as they were found; `repaired` is how many of them are in order now. `engine_vectors`: null where there is no engine, or no collection that serves.
 */
export type VectorCheck = { memories: number; vectors: number; engine_vectors: number | null; missing: number; stale: number; repaired: number }
const nothing: VectorCheck = { memories: 0, vectors: 0, engine_vectors: null, missing: 0, stale: 0, repaired: 0 }

/**
 * Holds every tenant's vectors against its memories, and the second engine's against those, for each model that is in use; what is found is kept for the metrics.
 * One run looks at everything: one that is cut short keeps nothing but its repairs.
 */
export async function verifyVectors(deps: VerifyDeps, signal: AbortSignal): Promise<JobReport> {
  const detail: Record<string, VectorCheck> = {}
  let done = 0
  for (const model of await modelsInUse(deps.worker, deps.embedder)) {
    let total = nothing
    await forEachTenant(deps.worker, signal, async (tenantId) => {
      total = add(total, await verifyTenant(deps, tenantId, model, signal))
    })
    if (signal.aborted) return { done, remaining: true, detail }
    await keepCheck(deps.worker, model, total)
    detail[model.name] = total
    done += total.repaired
  }
  return { done, remaining: false, detail }
}

/** The same of one tenant and model. @throws AppError unavailable while the engine, or for a repair the embedder, is away */
export async function verifyTenant(deps: VerifyDeps, tenantId: number, model: Model, signal: AbortSignal): Promise<VectorCheck> {
  const { worker, engine, repair } = deps
  const { memories, models } = await countIndex(worker, tenantId)
  const own = models.find((one) => one.model === model.name && one.dimension === model.dimension)
  const check: VectorCheck = { ...nothing, memories, vectors: own?.vectors ?? 0, missing: own?.missing ?? memories, stale: own?.stale ?? 0 }
  if (repair && check.stale) check.repaired += await removeStale(worker, tenantId, model)
  if (takesPreviousTurn(model.name)) check.stale += await sweepOvertaken(singly(worker, { role: 'soma_worker', tenantId, readOnly: !repair }), tenantId, model.key, repair)
  if (repair && (check.missing || check.stale)) {
    const onBatch = async (written: number) => {
      check.repaired += written
      return true
    }
    const onRefused = (memoryKey: string, error: unknown) => deps.onRefused({ tenantId, memoryKey, model: model.name }, error)
    await fillTenant({ worker, engine, model, embedder: embedderOf(deps, model), onBatch, onRefused }, tenantId, signal, { past: false })
  }
  if (!engine) return check
  const [serving] = (await liveCollections(singly(worker, { role: 'soma_worker', tenantId: null, readOnly: true }), model.key)).filter(({ state }) => state === 'serving')
  if (!serving) return check
  const { vectors, ...found } = await verifyCollection({ worker, engine, repair }, serving.name, tenantId, model.key, signal)
  return {
    ...check,
    engine_vectors: vectors,
    missing: check.missing + found.missing,
    stale: check.stale + found.stale,
    repaired: check.repaired + found.repaired,
  }
}

/** Vectors of versions that are not there any more; what waits for its vector keeps the one before until it has it. */
async function removeStale(worker: Database, tenantId: number, { key }: Model): Promise<number> {
  const rows = await singly(worker, { role: 'soma_worker', tenantId }).query(
    // by its version too: one that was written at the same moment is another
    `delete from vectors v using (
       select o.memory_key, o.version from vectors o where o.tenant_id = $1::integer and o.model_key = $2::smallint
         and not exists (select from memories m where m.tenant_id = $1::integer and m.memory_key = o.memory_key and m.version = o.version)
         and not exists (select from vector_pending q where q.tenant_id = $1::integer and q.memory_key = o.memory_key)) o
     where v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key = o.memory_key and v.version = o.version returning 1`,
    [tenantId, key],
  )
  return rows.length
}

function add(a: VectorCheck, b: VectorCheck): VectorCheck {
  const engine = a.engine_vectors === null && b.engine_vectors === null ? null : (a.engine_vectors ?? 0) + (b.engine_vectors ?? 0)
  const sum = (name: Exclude<keyof VectorCheck, 'engine_vectors'>) => a[name] + b[name]
  return { memories: sum('memories'), vectors: sum('vectors'), engine_vectors: engine, missing: sum('missing'), stale: sum('stale'), repaired: sum('repaired') }
}

async function keepCheck(worker: Database, { key }: Model, check: VectorCheck): Promise<void> {
  await singly(worker, { role: 'soma_worker', tenantId: null }).query(
    `insert into vector_checks (model_key, checked_at, memories, vectors, engine_vectors, missing, stale, repaired)
     values ($1::smallint, now(), $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint)
     on conflict (model_key) do update set checked_at = excluded.checked_at, memories = excluded.memories, vectors = excluded.vectors, engine_vectors = excluded.engine_vectors,
       missing = excluded.missing, stale = excluded.stale, repaired = excluded.repaired`,
    [key, check.memories, check.vectors, check.engine_vectors, check.missing, check.stale, check.repaired],
  )
}

/** What the last check found of each model that is in use, and how long ago. */
export function readChecks(worker: Database): Promise<{ model: string; missing: number; stale: number; repaired: number; seconds: number }[]> {
  return singly(worker, { role: 'soma_worker', tenantId: null, readOnly: true }).query(
    `select e.name as model, c.missing::double precision as missing, c.stale::double precision as stale, c.repaired::double precision as repaired,
       extract(epoch from now() - c.checked_at)::double precision as seconds
     from vector_checks c join embedding_models e on e.model_key = c.model_key left join embedding_roles r on true
     where e.dropped_at is null and (r.searched is null or e.model_key in (r.searched, r.kept)) order by e.model_key`,
  )
}
