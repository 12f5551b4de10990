import type { Sql } from '../db/index.ts'
import { tokensOf, vectorText } from '../embed/index.ts'
import { thisGeneration } from './collections.ts'
import type { Embedded } from './turns.ts'

/**
 * Upserts vectors of one model; `searched`: that is the one that is searched. The guard is a row lock on the very version that was embedded: where that is
 * gone or was replaced meanwhile, nothing is written; and likewise on the turn that was embedded with it, so that what is forgotten gets into no vector afterwards. The model that is searched also ends the waiting, and its tokens are counted by whoever takes a version
 * off vector_pending: once, though two may embed it at the same moment. A switch of models waits for this statement's lock, or this one for the switch.
 * `collections` are those of the second engine that have the vectors already: where there is another by now (`unheard`), nothing is written. Whoever begins
 * one waits for this statement's lock in the same way.
 */
export async function writeVectors(
  tx: Sql,
  tenantId: number,
  modelKey: number,
  rows: Embedded[],
  vectors: Float32Array[],
  collections?: string[],
): Promise<{ searched: boolean; unheard: boolean }> {
  const [row] = await tx.query<{ searched: boolean; unheard: boolean }>(
    `with unheard as materialized (
       select from vector_collections c where $7::text[] is not null and c.model_key = $2::smallint and c.generation = ${thisGeneration}
         and c.state in ('building', 'serving') and c.name <> all ($7::text[]) for share of c
     ), locked as materialized (
       select m.memory_key, m.version, m.namespace_key, m.user_key, m.recorded_at from memories m
       where m.tenant_id = $1::integer and m.memory_key = any ($10::bigint[]) and not exists (select from unheard) order by m.memory_key for share of m
     ), present as materialized (
       select m.*, w.embedding, w.tokens, w.context_key, w.context_version
       from unnest($3::bigint[], $4::integer[], $5::text[], $6::integer[], $8::bigint[], $9::integer[]) w (memory_key, version, embedding, tokens, context_key, context_version)
       join locked m on m.memory_key = w.memory_key and m.version = w.version
       left join locked c on c.memory_key = w.context_key and c.version = w.context_version
       where w.context_key is null or c.memory_key is not null
     ), written as (
       insert into vectors (tenant_id, model_key, namespace_key, user_key, memory_key, version, context_key, context_version, embedding, recorded_at)
       select $1::integer, $2::smallint, p.namespace_key, p.user_key, p.memory_key, p.version, p.context_key, p.context_version, p.embedding::halfvec, p.recorded_at from present p
       on conflict (tenant_id, model_key, memory_key) do update set version = excluded.version, embedding = excluded.embedding, namespace_key = excluded.namespace_key, user_key = excluded.user_key,
         recorded_at = excluded.recorded_at, context_key = excluded.context_key, context_version = excluded.context_version
       where vectors.version <= excluded.version
     ), another as materialized (
       select from (select r.searched from embedding_roles r for share) r where r.searched <> $2::smallint
     ), done as (
       delete from vector_pending q using present p where q.tenant_id = $1::integer and q.memory_key = p.memory_key and q.version <= p.version and not exists (select from another)
       returning p.namespace_key, p.tokens
     ), counted as (
       insert into usage_deltas (tenant_id, namespace_key, at, embedded_tokens)
       select $1::integer, d.namespace_key, now(), sum(d.tokens) from done d group by d.namespace_key having sum(d.tokens) > 0
     )
     select not exists (select from another) as searched, exists (select from unheard) as unheard`,
    [
      tenantId,
      modelKey,
      rows.map((one) => one.memory_key),
      rows.map((one) => one.version),
      vectors.map(vectorText),
      rows.map((one) => tokensOf(one.text)),
      collections ?? null,
      rows.map((one) => one.context?.key ?? null),
      rows.map((one) => one.context?.version ?? null),
      [...new Set(rows.flatMap((one) => [one.memory_key, ...(one.context ? [one.context.key] : [])]))],
    ],
  )
  return { searched: row?.searched ?? false, unheard: row?.unheard ?? false }
}
