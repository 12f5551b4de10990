import type { Sql } from '../db/index.ts'
import type { Manifest } from './format.ts'
import { actForTenant } from './tables.ts'
import { actAs } from './target.ts'

/** The installation becomes the archive's, in a generation that neither it nor the target has had; so do its embedding models, by key. */
export async function writeInstallation(tx: Sql, { installation, embedding_models: models }: Manifest): Promise<number> {
  await actAs(tx, 'soma_owner')
  const [row] = await tx.query<{ generation: number }>(
    `update installation set installation_id = $1::uuid, generation = greatest(generation, $2::integer) + 1, signing_keys = $3::jsonb, created_at = $4::timestamptz returning generation`,
    [installation.installation_id, installation.generation, JSON.stringify(installation.signing_keys), installation.created_at],
  )
  await actAs(tx, 'soma_worker')
  await tx.query(
    `insert into embedding_models (model_key, name, dimension, dropped_at) overriding system value
     select m.model_key, m.name, m.dimension, case when m.use = 'dropped' then now() end from json_to_recordset($1::json) m (model_key smallint, name text, dimension integer, use text)`,
    [JSON.stringify(models)],
  )
  const keyOf = (use: 'searched' | 'kept') => models.find((model) => model.use === use)?.model_key ?? null
  // recall goes on with the model whose vectors the archive has
  await tx.query('insert into embedding_roles (searched, kept) select $1::smallint, $2::smallint where $1::smallint is not null', [keyOf('searched'), keyOf('kept')])
  return (row as { generation: number }).generation
}

/** What each sequence has given out, by the columns that keep it. */
const sequences: { sequence: string; kept: [table: string, column: string][] }[] = [
  {
    sequence: 'memory_key_seq',
    kept: [
      ['memories', 'memory_key'],
      ['memory_versions', 'memory_key'],
    ],
  },
  { sequence: 'outbox_seq', kept: [['outbox', 'seq']] },
  { sequence: 'audit_seq', kept: [['audit_log', 'seq']] },
  { sequence: `scopes.scope_key`, kept: [['scopes', 'scope_key']] },
  { sequence: `usage_deltas.seq`, kept: [['usage_deltas', 'seq']] },
  { sequence: `tenants.tenant_id`, kept: [['tenants', 'tenant_id']] },
]

/** Sets every sequence past what was loaded, so that nothing new gets a key that is taken. */
export async function writeSequences(tx: Sql, tenants: number[]): Promise<void> {
  const most = await mostGiven(tx, tenants)
  await actAs(tx, 'soma_owner')
  for (const [i, { sequence }] of sequences.entries()) {
    const name = await nameOf(tx, sequence)
    // one that is ahead is left alone: where others are at work, it may be further on by now
    await tx.query(`select setval($1::regclass, $2::bigint) from ${name} s where s.last_value < $2::bigint`, [name, String(most[i])])
  }
  const models = await nameOf(tx, 'embedding_models.model_key')
  await tx.query(`select setval($1::regclass, m.most) from (select max(model_key) as most from embedding_models) m, ${models} s where s.last_value < m.most`, [models])
  await actAs(tx, 'soma_worker')
}

/** A sentence for each sequence that would give out what a row has already. */
export async function lagging(tx: Sql, tenants: number[]): Promise<string[]> {
  const most = await mostGiven(tx, tenants)
  const problems: string[] = []
  await actAs(tx, 'soma_owner')
  for (const [i, { sequence }] of sequences.entries()) {
    const [row] = await tx.query<{ last: string }>(`select last_value::text as last from ${await nameOf(tx, sequence)}`)
    if (BigInt(row?.last ?? 0) < (most[i] as bigint)) problems.push(`The sequence ${sequence} is at ${row?.last}, and ${most[i]} is given out.`)
  }
  const [model] = await tx.query<{ behind: boolean }>(
    `select coalesce((select max(m.model_key) from embedding_models m), 0) > (select last_value from ${await nameOf(tx, 'embedding_models.model_key')}) as behind`,
  )
  if (model?.behind) problems.push('The sequence of embedding_models.model_key is behind its rows.')
  await actAs(tx, 'soma_worker')
  return problems
}

/** The sequence's name; one of a column is that of its table. */
async function nameOf(tx: Sql, sequence: string): Promise<string> {
  const [table = '', column] = sequence.split('.')
  if (!column) return sequence
  const [row] = await tx.query<{ name: string }>('select pg_get_serial_sequence($1::text, $2::text) as name', [table, column])
  return row?.name as string
}

/** The most that each sequence has given out to these tenants' rows. */
async function mostGiven(tx: Sql, tenants: number[]): Promise<bigint[]> {
  const most = sequences.map(() => 0n)
  for (const tenant of tenants) {
    await actForTenant(tx, tenant)
    const [row] = await tx.query<{ most: (string | null)[] }>(
      `select array[${sequences.map(({ kept }) => `greatest(${kept.map(([table, column]) => `(select max(t."${column}") from "${table}" t where t.tenant_id = $1::integer)`).join(', ')})::bigint`).join(', ')}]::text[] as most`,
      [tenant],
    )
    row?.most.forEach((value, i) => {
      if (value !== null && BigInt(value) > (most[i] as bigint)) most[i] = BigInt(value)
    })
  }
  return most
}

/** Says when the tenant's events are due, as a store and a failed delivery do: at once, and at each later second in which one is to be tried again. */
export async function wakeTenant(tx: Sql, tenant: number): Promise<void> {
  await actForTenant(tx, tenant)
  await tx.query(
    `insert into outbox_ready (tenant_id, not_before)
     select distinct $1::integer, case when o.next_attempt_at <= now() then now() else date_trunc('second', o.next_attempt_at) + interval '1 second' end
     from outbox o where o.tenant_id = $1::integer and o.status = 'pending'`,
    [tenant],
  )
}
