import type { Sql } from '../db/index.ts'

/** What requests look up most; each is to be found by an index, under row-level security. */
const lookups: Record<string, string> = {
  'a word of a namespace': `select from postings p where p.tenant_id = $1::integer and p.namespace_key = 1 and p.term = 'word'`,
  'the words of a memory': 'select from postings p where p.tenant_id = $1::integer and p.memory_key = 1',
  'a memory by its key': 'select from memories m where m.tenant_id = $1::integer and m.memory_key = 1',
  'a memory by its id': `select from memories m where m.tenant_id = $1::integer and m.id = '00000000-0000-7000-8000-000000000000'`,
  'the newest memories of a namespace': 'select from memories m where m.tenant_id = $1::integer and m.namespace_key = 1 order by m.created_at desc, m.memory_key desc limit 10',
  "a user's vectors": 'select from vectors v where v.tenant_id = $1::integer and v.user_key = 1 and v.model_key = 1::smallint',
  "a namespace's newest vectors": 'select from vectors v where v.tenant_id = $1::integer and v.namespace_key = 1 and v.model_key = 1::smallint and v.memory_key > 1',
  'the history of a memory': `select from memory_versions v where v.tenant_id = $1::integer and v.id = '00000000-0000-7000-8000-000000000000'`,
  'a link by its ends': 'select from links l where l.tenant_id = $1::integer and l.from_key = 1',
  'the oldest events': `select from outbox o where o.tenant_id = $1::integer and o.status = 'pending' order by o.seq limit 10`,
}

/** A sentence for each look-up that cannot be done without reading a whole table. The tenant is the transaction's. */
export async function indexProblems(tx: Sql, tenant: number): Promise<string[]> {
  const problems: string[] = []
  // small tables are read as a whole by choice; that they need not be is what counts
  await tx.query(`select set_config('enable_seqscan', 'off', true)`)
  for (const [what, text] of Object.entries(lookups)) {
    const plan = await tx.query<Record<string, string>>(`explain (costs off) ${text.replaceAll('$1', String(Math.trunc(tenant)))}`)
    if (plan.some((row) => Object.values(row).some((line) => line.includes('Seq Scan')))) problems.push(`No index serves ${what}.`)
  }
  await tx.query(`select set_config('enable_seqscan', 'on', true)`)
  return problems
}
