import { type Database, singly } from '../db/index.ts'

/** What a model is here for; null: it was configured once, or came with an import, and nothing searches it. */
export type ModelUse = 'searched' | 'kept' | 'dropped' | null
/** `missing`: memories without a vector of the model that do not wait for one either. `stale`: vectors of a version that is not the present one. */
export type ModelCount = { model: string; dimension: number; use: ModelUse; vectors: number; missing: number; stale: number }
export type IndexCount = { memories: number; pending: number; models: ModelCount[] }

/** Of a model `e` by the roles `r`, if there are any. */
export const modelUse = `case when r.searched = e.model_key then 'searched' when r.kept = e.model_key then 'kept' when e.dropped_at is not null then 'dropped' end`

/** Holds a tenant's vectors against its memories, model by model, in one snapshot. */
export async function countIndex(worker: Database, tenantId: number): Promise<IndexCount> {
  const [row] = await singly(worker, { role: 'soma_worker', tenantId, readOnly: true }).query<{ memories: string; pending: string; models: ModelCount[] | null }>(
    `select (select count(*) from memories m where m.tenant_id = $1::integer) as memories,
       (select count(*) from vector_pending q where q.tenant_id = $1::integer) as pending,
       (select json_agg(json_build_object('model', e.name, 'dimension', e.dimension, 'use', ${modelUse},
         'vectors', (select count(*) from vectors v where v.tenant_id = $1::integer and v.model_key = e.model_key),
         'missing', (select count(*) from memories m
           left join vectors v on v.tenant_id = $1::integer and v.model_key = e.model_key and v.memory_key = m.memory_key
           left join vector_pending q on q.tenant_id = $1::integer and q.memory_key = m.memory_key
           where m.tenant_id = $1::integer and v.memory_key is null and q.memory_key is null),
         'stale', (select count(*) from vectors v
           left join memories m on m.tenant_id = $1::integer and m.memory_key = v.memory_key and m.version = v.version
           left join vector_pending q on q.tenant_id = $1::integer and q.memory_key = v.memory_key
           where v.tenant_id = $1::integer and v.model_key = e.model_key and m.memory_key is null and q.memory_key is null)) order by e.model_key)
        from embedding_models e left join embedding_roles r on true) as models`,
    [tenantId],
  )
  return { memories: Number(row?.memories ?? 0), pending: Number(row?.pending ?? 0), models: row?.models ?? [] }
}
