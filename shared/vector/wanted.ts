import type { Sql } from '../db/index.ts'
import { type Embedded, type Unembedded, withPrevious } from './turns.ts'

export type Wanted = Unembedded & { id: string; since: Date }

/**
 * What still waits for its vector among these memories, and what waits for their sake: what followed one that has changed or gone. An older event of a memory finds
 * its newest version, and does that at once.
 */
export function selectWanted(tx: Sql, tenantId: number, ids: string[]): Promise<Wanted[]> {
  return tx.query<Wanted>(
    `with told as materialized (
       select m.memory_key from memories m where m.tenant_id = $1::integer and m.id = any ($2::uuid[])
       union
       select v.memory_key from memory_versions v where v.tenant_id = $1::integer and v.id = any ($2::uuid[]) and v.state = 'deleted'
     ), waiting as materialized (
       select q.memory_key, q.queued_at from told t join vector_pending q on q.tenant_id = $1::integer and q.memory_key = t.memory_key
       union
       select q.memory_key, q.queued_at from told t join vector_pending q on q.tenant_id = $1::integer and q.after_key = t.memory_key
     )
     select m.memory_key, m.id, m.version, m.text, m.speaker, greatest(m.recorded_at, w.queued_at) as since, c.previous from waiting w
     join memories m on m.tenant_id = $1::integer and m.memory_key = w.memory_key ${withPrevious('m')} order by m.memory_key`,
    [tenantId, ids],
  )
}

/** The vectors that are here already of what is to be embedded, as it is to be embedded, by "key.version". */
export async function readKept(tx: Sql, tenantId: number, modelKey: number, rows: readonly Embedded[]): Promise<Map<string, Float32Array>> {
  const kept = await tx.query<{ name: string; embedding: string }>(
    `select v.memory_key || '.' || v.version as name, v.embedding::text as embedding
     from unnest($3::bigint[], $4::integer[], $5::bigint[], $6::integer[]) w (memory_key, version, context_key, context_version)
     join vectors v on v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key = w.memory_key and v.version = w.version
       and (v.context_key, v.context_version) is not distinct from (w.context_key, w.context_version)`,
    [
      tenantId,
      modelKey,
      rows.map((row) => row.memory_key),
      rows.map((row) => row.version),
      rows.map((row) => row.context?.key ?? null),
      rows.map((row) => row.context?.version ?? null),
    ],
  )
  return new Map(kept.map(({ name, embedding }) => [name, Float32Array.from(JSON.parse(embedding))]))
}
