import type { Sql } from '../db/index.ts'
import type { Params } from '../filter/index.ts'
import type { Scope } from './scope.ts'
import { type Hit, type HitRow, hitColumns, hitOf, memoryOfHit, type View } from './view.ts'
import { bm25, candidates } from './weights.ts'

export type LexicalHit = Hit & { bm25: number }
export type LexicalArm = { hits: LexicalHit[] /** The sum of idf over all query terms: what a memory with every term once would score. */; mass: number; candidates: number }

/** idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5)) */
const idf = (n: number, df: number) => Math.log(1 + (n - df + 0.5) / (df + 0.5))

/**
 * BM25 over the postings of one scope: score = Σ idf(t) · tf·(k1+1) / (tf + k1·max(1, len/100)). df is counted from the very rows that are read,
 * so it is exact. `view` says which rows of memories count; its values are in `p`, the tenant first.
 */
export async function searchLexical(tx: Sql, scope: Scope, terms: string[], view: View, p: Params): Promise<LexicalArm> {
  if (!terms.length) return { hits: [], mass: 0, candidates: 0 }
  const namespace = p.add(scope.namespaceKey, 'integer')
  const user = scope.column === 'user_key' ? p.add(scope.key, 'integer') : undefined
  const n = p.add(scope.memories, 'double precision')
  const list = p.add(terms, 'text[]')
  const { known } = view
  const rows = await tx.query<HitRow & { score: number; df: Record<string, number>; total: string }>(
    `with hits as materialized (
       ${postingsAt(known, `p.tenant_id = $1::integer and p.namespace_key = ${namespace} and p.term = any (${list})${user ? ` and p.user_key = ${user}` : ''}`)}
     ), frequency as materialized (
       select f.term, f.df, ln(1 + (greatest(${n}, f.df) - f.df + 0.5) / (f.df + 0.5)) * ${1 + bm25.k1}::double precision as weight
       from (select h.term, count(*)::double precision as df from hits h group by h.term) f
     ), scored as materialized (
       select h.memory_key${known ? ', max(h.closed) as closed' : ''}, sum(f.weight * h.tf / (h.tf + ${bm25.k1}::double precision * greatest(1::double precision, h.len / ${bm25.longFrom}::double precision))) as score
       from hits h join frequency f on f.term = h.term group by h.memory_key
     )
     select s.memory_key, s.score, ${hitColumns}, (select jsonb_object_agg(f.term, f.df) from frequency f) as df, (select count(*) from scored) as total
     from (select * from scored o order by o.score desc, o.memory_key) s
     -- row by row in the order of the score, until there are enough: conditions are looked at for few
     ${memoryOfHit(view, 's', 'both')}
     order by s.score desc, s.memory_key limit ${candidates.lexical}`,
    p.values,
  )
  const df = rows[0]?.df ?? {}
  const total = Math.max(scope.memories, ...Object.values(df), 1)
  const mass = terms.reduce((sum, term) => sum + idf(total, Object.hasOwn(df, term) ? (df[term] as number) : 0), 0)
  return {
    hits: rows.map((row) => ({ ...hitOf(row), bm25: row.score })),
    mass,
    candidates: Number(rows[0]?.total ?? 0),
  }
}

/** The words that were known at an instant; a version that was closed since brings the words it had, and its number as `closed`. */
function postingsAt(known: string | undefined, where: string): string {
  const open = 'p.memory_key, p.term, p.tf, p.len'
  if (known === undefined) return `select ${open} from postings p where ${where}`
  // of the very second, or of no second that is known, the memory itself tells
  const recorded = `(p.recorded_second < second_of(${known}) or (p.recorded_second in (second_of(${known}), 2147483647) and was_recorded(p.tenant_id, p.memory_key, ${known})))`
  return `select ${open}, null::integer as closed from postings p where ${where} and ${recorded}
       union all
       select ${open}, p.version from closed_postings p where ${where} and p.closed_at > ${known} and p.recorded_at <= ${known}`
}

/** Which of the query's terms each memory holds, or held at the instant, for `explain`. */
export async function matchedTerms(tx: Sql, tenantId: number, keys: string[], terms: string[], asOf: string | undefined): Promise<Map<string, string[]>> {
  const where = 'p.tenant_id = $1::integer and p.memory_key = any ($2::bigint[]) and p.term = any ($3::text[])'
  const rows = await tx.query<{ memory_key: string; terms: string[] }>(
    `select h.memory_key, array_agg(h.term order by h.term) as terms from (${postingsAt(asOf && '$4::timestamptz', where)}) h group by h.memory_key`,
    [tenantId, keys, terms, ...(asOf ? [asOf] : [])],
  )
  return new Map(rows.map((row) => [row.memory_key, row.terms]))
}
