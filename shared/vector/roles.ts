import type { Sql } from '../db/index.ts'

export type Model = { key: number; name: string; dimension: number }
/** The model that recall searches, and the one whose vectors are kept beside: the next one, or the one before. */
export type Roles = { searched: Model; kept: Model | undefined }

/** Undefined until a model was introduced for the first time: the configured one is all there is. */
export async function readRoles(tx: Sql): Promise<Roles | undefined> {
  const [row] = await tx.query<Roles>(
    `select json_build_object('key', s.model_key, 'name', s.name, 'dimension', s.dimension) as searched,
       case when k.model_key is not null then json_build_object('key', k.model_key, 'name', k.name, 'dimension', k.dimension) end as kept
     from embedding_roles r join embedding_models s on s.model_key = r.searched left join embedding_models k on k.model_key = r.kept`,
  )
  return row && { searched: row.searched, kept: row.kept ?? undefined }
}
