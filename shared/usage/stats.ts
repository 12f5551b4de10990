import { type Ctx, requireScope } from '../tenant/index.ts'

export type Stats = { total_memories: number; episodic: number; semantic: number; procedural: number; namespace: string }

/** Exact counts of the caller's tenant, all namespaces together: folded counters and the rows not folded yet, without counting a memory. */
export async function tenantStats(ctx: Ctx): Promise<Stats> {
  requireScope(ctx, 'memory:read')
  const [row] = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, (tx) =>
    tx.query<Record<'memories' | 'episodic' | 'semantic' | 'procedural', string>>(
      `select coalesce(sum(c.memories), 0) as memories, coalesce(sum(c.episodic), 0) as episodic, coalesce(sum(c.semantic), 0) as semantic, coalesce(sum(c.procedural), 0) as procedural from (
         select t.memories, t.episodic, t.semantic, t.procedural from scope_stats t join scopes s on s.tenant_id = t.tenant_id and s.scope_key = t.scope_key and s.user_id is null where t.tenant_id = $1::integer
         union all
         select d.memories, d.episodic, d.semantic, d.procedural from usage_deltas d where d.tenant_id = $1::integer) c`,
      [ctx.tenantId],
    ),
  )
  const count = (name: 'memories' | 'episodic' | 'semantic' | 'procedural') => Number(row?.[name] ?? 0)
  return { total_memories: count('memories'), episodic: count('episodic'), semantic: count('semantic'), procedural: count('procedural'), namespace: 'default' }
}
