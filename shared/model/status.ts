import { type Database, singly } from '../db/index.ts'
import { forEachTenant } from '../tenant/index.ts'
import { type ModelUse, modelUse } from '../vector/index.ts'
import { type Coverage, coverageOf, nothing, sum } from './coverage.ts'
import { missingCollection, missingIndexes } from './indexes.ts'
import type { Progress } from './reembed.ts'

/** A model that the installation knows, what it is here for, and how far the job had come with it. */
export type ModelState = { key: number; name: string; dimension: number; use: ModelUse; progress: Progress | null }
/** `missing_indexes`: the HNSW indexes that large scopes need of it; with a second vector engine, its collection. */
export type ModelStatus = ModelState & Coverage & { missing_indexes: string[] }

export function listModels(worker: Database): Promise<ModelState[]> {
  return singly(worker, { role: 'soma_worker', tenantId: null, readOnly: true }).query<ModelState>(
    `select e.model_key as key, e.name, e.dimension, ${modelUse} as use, r.progress -> e.model_key::text as progress
     from embedding_models e left join embedding_roles r on true order by e.model_key`,
  )
}

/** Counts what a model has and what it lacks, over all tenants. `engine`: a second vector engine is searched. */
export async function statusOf(worker: Database, model: ModelState, signal: AbortSignal, { engine = false } = {}): Promise<ModelStatus> {
  let total = nothing
  const indexes: string[] = engine ? await missingCollection(worker, model) : []
  await forEachTenant(worker, signal, async (tenantId) => {
    total = sum(total, await coverageOf(worker, tenantId, model))
    if (!engine) indexes.push(...(await missingIndexes(worker, tenantId, model)))
  })
  signal.throwIfAborted()
  return { ...model, ...total, missing_indexes: indexes }
}

/** What speaks against searching this model; undefined when it may take over. */
export function objectionTo({ name, missing, versions, covered_versions, missing_indexes }: ModelStatus): string | undefined {
  const graphs = missing_indexes.filter((index) => index.startsWith('vectors_ann_')).length
  const parts = [
    missing ? `${missing} memories have no vector of it` : '',
    versions > covered_versions ? `${versions - covered_versions} closed versions have none` : '',
    graphs ? `${graphs} large scopes have no HNSW index of it (\`soma worker build-ann --once\`)` : '',
    missing_indexes.length > graphs ? 'its collection in the vector engine does not serve yet (`soma worker build-ann --once`)' : '',
  ].filter(Boolean)
  return parts.length ? `${name} is not ready to be searched: ${parts.join(', ')}.` : undefined
}
