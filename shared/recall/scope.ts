import type { Sql } from '../db/index.ts'
import { type Language, markedLanguages, markOf } from '../text/index.ts'
import { thisGeneration } from '../vector/index.ts'

/**
 * Where a recall looks: the keys of its scope, how many memories it holds (exact up to the rollup's lag), and whether some are not indexed yet. `searched`: the
 * model that is to be searched, null where that is the configured one. `languages`: those other than English that some of its memories are in. `collection`: where a second vector engine has the vectors of the model that was asked for.
 */
export type Scope = {
  tenantId: number
  column: 'user_key' | 'namespace_key'
  key: number
  namespaceKey: number
  memories: number
  modelKey: number | null
  hasTail: boolean
  searched: { name: string; dimension: number } | null
  collection: string | null
  languages: Language[]
}

/** Undefined when nothing was ever stored there. `past`: closed versions count for the languages too. */
export async function findScope(
  tx: Sql,
  tenantId: number,
  namespace: string,
  userId: string | undefined,
  model: { name: string; dimension: number },
  past = false,
): Promise<Scope | undefined> {
  const column = userId === undefined ? 'namespace_key' : 'user_key'
  // not `is not distinct from`: no index serves that, and a namespace may have a million users
  const user = userId === undefined ? 'is null and $3::text is null' : '= $3::text'
  // one look into the index each: a join would read all words of the scope
  const held = `p.tenant_id = $1::integer and p.namespace_key = n.scope_key and p.term = l.mark`
  const own = column === 'user_key' ? ' and p.user_key = s.scope_key' : ''
  const closed = past ? ` or (select true from closed_postings p where ${held}${own} limit 1)` : ''
  // the count is ordered so that it walks an index: a new scope has few rows, and its partition may have millions of others
  const [row] = await tx.query<{
    key: number
    namespace_key: number
    memories: string
    model_key: number | null
    has_tail: boolean
    searched: Scope['searched']
    collection: string | null
    languages: string[]
  }>(
    `select s.scope_key as key, n.scope_key as namespace_key,
       coalesce((select t.memories from scope_stats t where t.tenant_id = $1::integer and t.scope_key = s.scope_key),
         (select count(*) from (select from memories m where m.tenant_id = $1::integer and m.${column} = s.scope_key order by m.created_at limit 2000) counted)) as memories,
       (select e.model_key from embedding_models e where e.name = $4::text and e.dimension = $5::integer) as model_key,
       exists (select from vector_pending q where q.tenant_id = $1::integer and q.namespace_key = n.scope_key${column === 'user_key' ? ' and q.user_key = s.scope_key' : ''}) as has_tail,
       (select json_build_object('name', e.name, 'dimension', e.dimension) from embedding_roles r join embedding_models e on e.model_key = r.searched) as searched,
       (select c.name from vector_collections c join embedding_models e on e.model_key = c.model_key
        where e.name = $4::text and e.dimension = $5::integer and c.state = 'serving' and c.generation = ${thisGeneration}) as collection,
       array(select l.mark from unnest($6::text[]) l (mark) where (select true from postings p where ${held}${own} limit 1)${closed}) as languages
     from scopes s join scopes n on n.tenant_id = $1::integer and n.namespace = $2::text and n.user_id is null
     where s.tenant_id = $1::integer and s.namespace = $2::text and s.user_id ${user}`,
    [tenantId, namespace, userId ?? null, model.name, model.dimension, markedLanguages.map(markOf)],
  )
  return (
    row && {
      tenantId,
      column,
      key: row.key,
      namespaceKey: row.namespace_key,
      memories: Number(row.memories),
      modelKey: row.model_key,
      hasTail: row.has_tail,
      searched: row.searched,
      collection: row.collection,
      languages: markedLanguages.filter((language) => row.languages.includes(markOf(language))),
    }
  )
}
