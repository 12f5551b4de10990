import { type Database, singly } from '../db/index.ts'
import { largeScope } from '../recall/index.ts'
import { coverOf, graphSizes, graphsName, liveCollections, type Model, readGraphs, vectorsIn } from '../vector/index.ts'

/** The HNSW indexes of a model that a tenant's large scopes need and that are not there yet. The embedded engine needs none. */
export async function missingIndexes(worker: Database, tenantId: number, model: Model): Promise<string[]> {
  if (worker.engine === 'pglite') return []
  const sql = singly(worker, { role: 'soma_worker', tenantId, readOnly: true })
  const scopes = await sql.query<{ scope_key: number }>(
    `select s.scope_key from scope_stats s join scopes n on n.tenant_id = s.tenant_id and n.scope_key = s.scope_key and n.user_id is null
     where s.tenant_id = $1::integer and s.memories >= $2::bigint`,
    [tenantId, largeScope],
  )
  const places = scopes.map(({ scope_key: namespaceKey }) => ({ tenantId, namespaceKey, modelKey: model.key }))
  const missing: string[] = []
  for (const place of places) {
    const { chosen, rest } = coverOf((await readGraphs(sql, place)).filter(({ valid }) => valid))
    const held = await Promise.all(rest.map((range) => vectorsIn(sql, place, range, graphSizes.least)))
    if (!chosen.length || held.some(({ vectors }) => vectors >= graphSizes.least)) missing.push(graphsName(place))
  }
  return missing
}

/** The collection of a second vector engine that recall would ask for a model, where it does not serve yet. */
export async function missingCollection(worker: Database, model: Model): Promise<string[]> {
  const live = await liveCollections(singly(worker, { role: 'soma_worker', tenantId: null, readOnly: true }), model.key)
  return live.some(({ state }) => state === 'serving') ? [] : [`the collection of ${model.name}`]
}
