import type { Sql } from '../db/index.ts'
import type { Params } from '../filter/index.ts'
import type { Scope } from './scope.ts'
import { bm25, candidates } from './weights.ts'

export type LexicalHit = { key: string; bm25: number; importance: number; occurredAt: Date }
export type LexicalArm = { hits: LexicalHit[] /** The sum of idf over all query terms: what a memory with every term once would score. */; mass: number; candidates: number }

/** idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5)) */
const idf = (n: number, df: number) => Math.log(1 + (n - df + 0.5) / (df + 0.5))

/**
 * BM25 over the postings of one scope: score = Σ idf(t) · tf·(k1+1) / (tf + k1·max(1, len/100)). df is counted from the very rows that are read,
 * so it is exact. `where` holds the conditions on memories as m; its values are in `p`, the tenant first.
 */
export async function searchLexical(tx: Sql, scope: Scope, terms: string[], where: string, p: Params): Promise<LexicalArm> {
  if (!terms.length) return { hits: [], mass: 0, candidates: 0 }
  const namespace = p.add(scope.namespaceKey, 'integer')
  const own = scope.column === 'user_key' ? ` and p.user_key = ${p.add(scope.key, 'integer')}` : ''
  const n = p.add(scope.memories, 'double precision')
  const list = p.add(terms, 'text[]')
  const rows = await tx.query<{ memory_key: string; score: number; importance: number; occurred_at: Date; df: Record<string, number>; total: string }>(
    `with hits as materialized (
       select p.memory_key, p.term, p.tf, p.len from postings p where p.tenant_id = $1::integer and p.namespace_key = ${namespace}${own} and p.term = any (${list})
     ), frequency as materialized (
       select f.term, f.df, ln(1 + (greatest(${n}, f.df) - f.df + 0.5) / (f.df + 0.5)) * ${1 + bm25.k1}::double precision as weight
       from (select h.term, count(*)::double precision as df from hits h group by h.term) f
     ), scored as materialized (
       select h.memory_key, sum(f.weight * h.tf / (h.tf + ${bm25.k1}::double precision * greatest(1::double precision, h.len / ${bm25.longFrom}::double precision))) as score
       from hits h join frequency f on f.term = h.term group by h.memory_key
     )
     select s.memory_key, s.score, m.importance, m.occurred_at, (select jsonb_object_agg(f.term, f.df) from frequency f) as df, (select count(*) from scored) as total
     from (select o.memory_key, o.score from scored o order by o.score desc, o.memory_key) s
     -- row by row in the order of the score, until there are enough: conditions are looked at for few
     cross join lateral (select m.importance, coalesce(m.occurred_at, m.created_at) as occurred_at from memories m where m.tenant_id = $1::integer and m.memory_key = s.memory_key and ${where} limit 1) m
     order by s.score desc, s.memory_key limit ${candidates.lexical}`,
    p.values,
  )
  const df = rows[0]?.df ?? {}
  const total = Math.max(scope.memories, ...Object.values(df), 1)
  const mass = terms.reduce((sum, term) => sum + idf(total, Object.hasOwn(df, term) ? (df[term] as number) : 0), 0)
  return {
    hits: rows.map((row) => ({ key: row.memory_key, bm25: row.score, importance: row.importance, occurredAt: row.occurred_at })),
    mass,
    candidates: Number(rows[0]?.total ?? 0),
  }
}

/** Which of the query's terms each memory holds, for `explain`. */
export async function matchedTerms(tx: Sql, tenantId: number, keys: string[], terms: string[]): Promise<Map<string, string[]>> {
  const rows = await tx.query<{ memory_key: string; terms: string[] }>(
    'select p.memory_key, array_agg(p.term order by p.term) as terms from postings p where p.tenant_id = $1::integer and p.memory_key = any ($2::bigint[]) and p.term = any ($3::text[]) group by p.memory_key',
    [tenantId, keys, terms],
  )
  return new Map(rows.map((row) => [row.memory_key, row.terms]))
}
