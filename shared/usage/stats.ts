import type { Sql } from '../db/index.ts'
import { assertUnlimited, type Ctx, requireScope } from '../tenant/index.ts'
import { unfolded } from './unfolded.ts'

export type Stats = { total_memories: number; episodic: number; semantic: number; procedural: number; namespace: string }
export type Totals = Record<'memories' | 'episodic' | 'semantic' | 'procedural' | 'bytes', number>

/** Exact counts of the caller's tenant, all namespaces together: folded counters and the rows not folded yet, without counting what is there. */
export async function tenantStats(ctx: Ctx): Promise<Stats> {
  requireScope(ctx, 'memory:read')
  assertUnlimited(ctx)
  const { memories, episodic, semantic, procedural } = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, (tx) => totalsOf(tx, ctx.tenantId))
  return { total_memories: memories, episodic, semantic, procedural, namespace: 'default' }
}

/** What a tenant holds in the snapshot of the transaction; as many rows are read as it has namespaces, and rows not folded yet. */
export async function totalsOf(tx: Sql, tenantId: number): Promise<Totals> {
  const names = ['memories', 'episodic', 'semantic', 'procedural', 'bytes'] as const
  // the coalesce is the predicate of the index scopes_namespaces;
  // `offset 0` keeps it a look-up by key: a join was seen to read the counters of all users
  const of = (alias: string) => names.map((name) => `${alias}.${name}`).join(', ')
  const [row] = await tx.query<Totals>(
    `select ${names.map((name) => `coalesce(sum(c.${name}), 0) as ${name}`).join(', ')} from (
       select ${of('t')} from scopes s
       cross join lateral (select * from scope_stats c where c.tenant_id = $1::integer and c.scope_key = s.scope_key offset 0) t where s.tenant_id = $1::integer and coalesce(s.user_id, '') = ''
       union all
       select ${of('d')} from ${unfolded} d) c`,
    [tenantId],
  )
  return Object.fromEntries(names.map((name) => [name, Number(row?.[name] ?? 0)])) as Totals
}
