import { termsOf } from '../text/index.ts'

/** A row of memories or memory_versions as an archive has it, as far as its words are concerned. */
export type Worded = {
  memory_key: number
  namespace_key: number
  user_key: number | null
  version: number
  term_count: number
  text: string
  language: string | null
  tags: string[]
  recorded_at: string
  closed_at?: string
  has_words?: boolean
  /** Its terms, where they were cut already. */
  cut?: ReturnType<typeof termsOf>
}

/** One array a column, as insertWords takes them; terms and their counts are an array's text each. */
export type Words = [
  keys: number[],
  namespaces: number[],
  users: (number | null)[],
  lengths: number[],
  versions: number[],
  recorded: string[],
  closed: (string | null)[],
  terms: string[],
  counts: string[],
]

/** Counts the words of rows again, as a store does. */
export function wordsOf(rows: readonly Worded[]): Words {
  const words: Words = [[], [], [], [], [], [], [], [], []]
  for (const row of rows) {
    const { counts } = row.cut ?? termsOf(row)
    if (counts.size === 0) continue
    const one = [
      row.memory_key,
      row.namespace_key,
      row.user_key,
      Math.min(row.term_count, 32767),
      row.version,
      row.recorded_at,
      row.closed_at ?? null,
      arrayText(counts.keys()),
      `{${[...counts.values()].join(',')}}`,
    ]
    for (const [column, value] of one.entries()) (words[column] as unknown[]).push(value)
  }
  return words
}

/** Letters, marks and digits need no quotes, but for the one word that would be no word. */
const plain = /^[\p{L}\p{M}\p{N}]+$/u

function arrayText(terms: Iterable<string>): string {
  return `{${Array.from(terms, (term) => (plain.test(term) && !/^null$/i.test(term) ? term : `"${term.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`)).join(',')}}`
}

const expanded = `select $1::integer, w.namespace_key, w.memory_key, w.user_key, unnest(w.counts::smallint[]), w.len, unnest(w.terms::text[])`
const given = `from unnest($2::bigint[], $3::integer[], $4::integer[], $5::smallint[], $6::integer[], $7::timestamptz[], $8::timestamptz[], $9::text[], $10::text[])
  w (memory_key, namespace_key, user_key, len, version, recorded_at, closed_at, terms, counts)`

export const insertPostings = `insert into postings (tenant_id, namespace_key, memory_key, user_key, tf, len, term, recorded_second) ${expanded}, second_of(w.recorded_at) ${given}`
export const insertClosedPostings = `insert into closed_postings (tenant_id, namespace_key, memory_key, user_key, tf, len, term, version, recorded_at, closed_at)
  ${expanded}, w.version, w.recorded_at, w.closed_at ${given}`
