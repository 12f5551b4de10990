import type { Sql } from '../db/index.ts'

export type CollectionState = 'new' | 'building' | 'serving' | 'retired'
export type Collection = { name: string; modelKey: number; state: CollectionState }

/** Of the installation as it is now: a restored database has another generation, and takes none of those before. */
export const thisGeneration = '(select i.generation from installation i)'

/** Where vectors are written to: what serves, and what is being built. */
export async function liveCollections(tx: Sql, modelKey?: number): Promise<Collection[]> {
  const rows = await tx.query<{ name: string; model_key: number; state: CollectionState }>(
    `select c.name, c.model_key, c.state from vector_collections c
     where c.generation = ${thisGeneration} and c.state in ('building', 'serving') and ($1::smallint is null or c.model_key = $1::smallint) order by c.model_key, c.state`,
    [modelKey ?? null],
  )
  return rows.map((row) => ({ name: row.name, modelKey: row.model_key, state: row.state }))
}
