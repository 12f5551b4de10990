import type { Database, Sql } from '../db/index.ts'
import { actAs } from './target.ts'

/** Tables whose rows are so many that filling their indexes row by row costs more than building them at the end. */
const heavy = ['postings', 'closed_postings']
/** The build sorts; a small share of this is what a server has by default. */
const sortMemory = '256MB'

/** Drops the indexes of the heavy tables that enforce nothing, and gives back what makes them again. The embedded engine keeps them: its builds may not run over its deadline. */
export async function dropHeavyIndexes(tx: Sql, engine: Database['engine']): Promise<() => Promise<void>> {
  if (engine === 'pglite') return async () => {}
  const found = await tx.query<{ name: string; definition: string }>(
    `select i.relname as name, pg_get_indexdef(x.indexrelid) as definition from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
     where c.relnamespace = current_schema()::regnamespace and c.relname = any ($1::text[]) and not x.indisunique order by 1`,
    [heavy],
  )
  await actAs(tx, 'soma_owner')
  for (const { name } of found) await tx.query(`drop index "${name}"`)
  await actAs(tx, 'soma_worker')
  return async () => {
    await actAs(tx, 'soma_owner')
    await tx.query(`select set_config('maintenance_work_mem', $1::text, true)`, [sortMemory])
    // the catalog tells a partitioned index by ONLY, which would make it of the parent alone
    for (const { definition } of found) await tx.query(definition.replace(' ON ONLY ', ' ON '))
    await actAs(tx, 'soma_worker')
  }
}

/** Tables that requests read by more than their key: a fresh one without statistics is planned for as if it were small. */
const planned = ['scopes', 'sessions', 'memories', 'memory_versions', 'postings', 'closed_postings', 'vectors', 'closed_vectors', 'vector_pending', 'links']

/** Statistics of the columns that stand in an index: of the others, texts and vectors among them, they would cost more than they tell. */
export async function analyze(tx: Sql): Promise<void> {
  const found = await tx.query<{ text: string }>(
    `select format('%I (%s)', c.relname, string_agg(distinct quote_ident(a.attname), ', ')) as text
     from pg_class c join pg_index x on x.indrelid = c.oid join pg_attribute a on a.attrelid = c.oid and a.attnum = any (x.indkey)
     where c.relnamespace = current_schema()::regnamespace and c.relname = any ($1::text[]) group by c.relname order by c.relname`,
    [planned],
  )
  await actAs(tx, 'soma_owner')
  await tx.query(`analyze ${found.map(({ text }) => text).join(', ')}`)
  await actAs(tx, 'soma_worker')
}
