import type { Database } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { isChange } from './unfolded.ts'

const batch = 5_000

/**
 * Folds usage rows into scope_stats (by namespace and by user), session_stats and usage_hours; each row exactly once, as it is deleted in the statement
 * that counts it. One rollup at a time: two would wait for each other's counters.
 */
export async function rollupUsage(worker: Database, signal: AbortSignal): Promise<JobReport> {
  let done = 0
  while (!signal.aborted) {
    const folded = await worker.transaction({ role: 'soma_worker', tenantId: null }, async (tx) => {
      const [lock] = await tx.query<{ free: boolean }>(`select pg_try_advisory_xact_lock(hashtextextended('soma rollup ' || current_schema(), 0)) as free`)
      if (!lock?.free) return 0
      const [row] = await tx.query<{ folded: number }>(
        `with gone as (
           delete from usage_deltas d using (select tenant_id, seq from usage_deltas order by tenant_id, seq limit ${batch}) o
           where d.tenant_id = o.tenant_id and d.seq = o.seq returning d.*
         ), by_scope as (
           insert into scope_stats as s (tenant_id, scope_key, memories, episodic, semantic, procedural, bytes, terms, last_at)
           select g.tenant_id, k.scope_key, sum(g.memories), sum(g.episodic), sum(g.semantic), sum(g.procedural), sum(g.bytes), sum(g.terms), max(g.at)
           from gone g cross join lateral (values (g.namespace_key), (g.user_key)) k (scope_key) where k.scope_key is not null and ${isChange('g')}
           group by g.tenant_id, k.scope_key
           on conflict (tenant_id, scope_key) do update set memories = s.memories + excluded.memories, episodic = s.episodic + excluded.episodic, semantic = s.semantic + excluded.semantic,
             procedural = s.procedural + excluded.procedural, bytes = s.bytes + excluded.bytes, terms = s.terms + excluded.terms, last_at = greatest(s.last_at, excluded.last_at)
         ), by_session as (
           insert into session_stats as s (tenant_id, session_key, memories, bytes, last_at)
           select g.tenant_id, g.session_key, sum(g.memories), sum(g.bytes), max(g.at) from gone g where g.session_key is not null and ${isChange('g')}
           group by g.tenant_id, g.session_key
           on conflict (tenant_id, session_key) do update set memories = s.memories + excluded.memories, bytes = s.bytes + excluded.bytes, last_at = greatest(s.last_at, excluded.last_at)
         ), by_hour as (
           insert into usage_hours as u (tenant_id, hour, namespace_key, stores, recalls, memories, bytes, embedded_tokens)
           select g.tenant_id, date_trunc('hour', g.at, 'UTC'), g.namespace_key, sum(g.stores), sum(g.recalls), sum(g.memories), sum(g.bytes), sum(g.embedded_tokens) from gone g group by 1, 2, 3
           on conflict (tenant_id, hour, namespace_key) do update set stores = u.stores + excluded.stores, recalls = u.recalls + excluded.recalls, memories = u.memories + excluded.memories,
             bytes = u.bytes + excluded.bytes, embedded_tokens = u.embedded_tokens + excluded.embedded_tokens
         )
         select count(*)::integer as folded from gone`,
      )
      return row?.folded ?? 0
    })
    done += folded
    if (folded < batch) return { done, remaining: false }
  }
  return { done, remaining: true }
}
