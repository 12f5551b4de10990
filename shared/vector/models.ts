import { type Database, singly } from '../db/index.ts'
import type { Embedder } from '../embed/index.ts'
import { type Model, readRoles } from './roles.ts'

/** The key of an embedding model by name and dimension, and whether it is the one that recall uses; undefined when it is not known here. */
export type Models = (name: string, dimension: number) => { key: number; current: boolean } | undefined

/** Reads the embedding models that are known here, the embedder's own among them. With `waits` none is current: a vector still has to get into another engine. */
export function modelsReader(worker: Database, { model, dimension }: Pick<Embedder, 'model' | 'dimension'>, { waits = false } = {}): () => Promise<Models> {
  return async () => {
    await resolveModel(worker, { model, dimension })
    const { rows, roles } = await worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, async (tx) => ({
      rows: await tx.query<{ model_key: number; name: string; dimension: number }>('select model_key, name, dimension from embedding_models where dropped_at is null'),
      roles: await readRoles(tx),
    }))
    const keys = new Map(rows.map((row) => [`${row.name}/${row.dimension}`, row.model_key]))
    const searched = roles?.searched ?? { name: model, dimension }
    return (name, size) => {
      const key = keys.get(`${name}/${size}`)
      return key === undefined ? undefined : { key, current: !waits && name === searched.name && size === searched.dimension }
    }
  }
}

/** The models whose vectors are made: the one that is searched, or the configured one where no other was ever introduced; and the one that is kept beside. */
export async function modelsInUse(worker: Database, { model, dimension }: Pick<Embedder, 'model' | 'dimension'>): Promise<[Model] | [Model, Model]> {
  const roles = await readRoles(singly(worker, { role: 'soma_worker', tenantId: null, readOnly: true }))
  if (!roles) return [{ key: await resolveModel(worker, { model, dimension }), name: model, dimension }]
  return roles.kept ? [roles.searched, roles.kept] : [roles.searched]
}

const models = new WeakMap<Database, Map<string, number>>()
/** The key of a model and dimension; new ones are entered. No two models ever share one. */
export async function resolveModel(worker: Database, { model, dimension }: Pick<Embedder, 'model' | 'dimension'>): Promise<number> {
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
