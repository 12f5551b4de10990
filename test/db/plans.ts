import type { Access, Database, Sql } from '../../shared/db/index.ts'
import { onOwnParts } from '../../shared/db/plans.ts'

export type Statement = { text: string; values: unknown[]; access: Access }
/** What a plan touches: indexes by the name of the index on the parent table, tables read whole, and the partitions of each table. */
export type Plan = { mode: string; indexes: string[]; scanned: string[]; partitions: Record<string, string[]>; text: string }
type Node = { 'Node Type': string; 'Relation Name'?: string; 'Index Name'?: string; Plans?: Node[] }

/** The database, writing down each statement as it is sent. */
export function recording(db: Database, statements: Statement[]): Database {
  const sqlOf = (tx: Sql, access: Access): Sql => ({
    query(text, values = []) {
      statements.push({ text, values, access })
      return tx.query(text, values)
    },
  })
  return {
    ...db,
    transaction: (access, work) => db.transaction(access, (tx) => work(sqlOf(tx, access))),
    statement(access, text, values = []) {
      statements.push({ text, values, access })
      return db.statement(access, text, values)
    },
  }
}

/** The plans of a statement under its own role and tenant: a generic one, and what the planner settles on by the tenth execution. */
export async function plansOf(db: Database, { text, values, access }: Statement): Promise<Plan[]> {
  const parents = await indexParents(db)
  const { plans: kept, ...plain } = access
  return db.transaction({ ...plain, readOnly: false }, async (tx) => {
    await tx.query(`prepare planned as ${kept && access.tenantId !== null ? onOwnParts(access.tenantId, text) : text}`)
    try {
      const call = `execute planned${values.length ? `(${values.map(literal).join(', ')})` : ''}`
      const plans: Plan[] = []
      for (const mode of ['force_generic_plan', 'auto']) {
        await tx.query(`select set_config('plan_cache_mode', '${mode}', true), set_config('hnsw.iterative_scan', 'relaxed_order', true)`)
        for (let run = 1; mode === 'auto' && run < 10; run++) await tx.query(`explain ${call}`)
        const [row] = await tx.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(`explain (format json) ${call}`)
        plans.push(planOf(mode, (row as { 'QUERY PLAN': [{ Plan: Node }] })['QUERY PLAN'][0].Plan, parents))
      }
      return plans
    } finally {
      await tx.query('deallocate planned')
    }
  })
}

function planOf(mode: string, root: Node, parents: Map<string, string>): Plan {
  const indexes = new Set<string>()
  const scanned = new Set<string>()
  const partitions: Record<string, Set<string>> = {}
  const visit = (node: Node): void => {
    const index = node['Index Name']
    if (index) indexes.add(parents.get(index) ?? index)
    const relation = node['Relation Name']
    const [, table, part] = /^(.+)_p(\d)$/.exec(relation ?? '') ?? []
    if (node['Node Type'] === 'Seq Scan' && relation) scanned.add(table ?? relation)
    if (table && part && node['Node Type'] !== 'ModifyTable') partitions[table] = (partitions[table] ?? new Set()).add(part)
    node.Plans?.forEach(visit)
  }
  visit(root)
  const lists = Object.fromEntries(Object.entries(partitions).map(([table, parts]) => [table, [...parts]]))
  return { mode, indexes: [...indexes].sort(), scanned: [...scanned].sort(), partitions: lists, text: JSON.stringify(root, null, 1) }
}

/** The index of a partition → the index of its table, whose name the migration gave. */
async function indexParents(db: Database): Promise<Map<string, string>> {
  const rows = await db.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, (tx) =>
    tx.query<{ child: string; parent: string }>(
      `select c.relname as child, p.relname as parent from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent where p.relkind = 'I'`,
    ),
  )
  return new Map(rows.map((row) => [row.child, row.parent]))
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = Array.isArray(value) ? `{${value.map((one) => (one === null ? 'null' : JSON.stringify(String(one)))).join(',')}}` : String(value)
  return `'${text.replaceAll("'", "''")}'`
}
