import type { Sql } from '../db/index.ts'
import { tokenizerRevision } from '../text/index.ts'

/** How many words there are and the sum of their hashes modulo 2^64: equal for equal rows in any order, on any engine. */
export type WordSum = { rows: number; sum: string }
export type WordSums = { postings: WordSum; closed_postings: WordSum }

const columns = {
  postings: 'p.namespace_key, p.user_key, p.term, p.tf, p.len, p.recorded_second',
  closed_postings: 'p.namespace_key, p.user_key, p.term, p.tf, p.len, p.version, p.recorded_at, p.closed_at',
} as const
type Table = keyof typeof columns
const tables = Object.keys(columns) as Table[]

/** A tenant's words, by tables that no archive holds: they are counted again, and these sums tell whether that gave the same. The tenant is the transaction's. */
export async function wordSumsOf(tx: Sql, tenant: number): Promise<WordSums> {
  const sums: Partial<WordSums> = {}
  for (const table of tables) {
    const [row] = await tx.query<{ rows: string; sum: string }>(
      `select count(*)::text as rows, coalesce(sum(hash_record_extended(row(${columns[table]}), p.memory_key)), 0)::text as sum from ${table} p where p.tenant_id = $1::integer`,
      [tenant],
    )
    sums[table] = { rows: Number(row?.rows), sum: unsigned(BigInt(row?.sum ?? 0)) }
  }
  return sums as WordSums
}

/** Whether some of the tenant's texts are cut by the rules of an older version; then words that are counted again are others. */
export async function hasOlderWords(tx: Sql, tenant: number): Promise<boolean> {
  const old = (table: string, more = '') => `exists (select from ${table} m where m.tenant_id = $1::integer and m.tokenizer <> ${tokenizerRevision}${more})`
  const [row] = await tx.query<{ old: boolean }>(`select ${old('memories')} or ${old('memory_versions', ` and m.state = 'closed'`)} as old`, [tenant])
  return row?.old ?? false
}

export function addWordSums(parts: readonly WordSums[]): WordSums {
  const total = (table: Table): WordSum => ({
    rows: parts.reduce((sum, part) => sum + part[table].rows, 0),
    sum: unsigned(parts.reduce((sum, part) => sum + BigInt(`0x${part[table].sum}`), 0n)),
  })
  return { postings: total('postings'), closed_postings: total('closed_postings') }
}

const unsigned = (sum: bigint) => BigInt.asUintN(64, sum).toString(16).padStart(16, '0')
