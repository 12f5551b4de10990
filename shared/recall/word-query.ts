import type { Params } from '../filter/index.ts'
import { sourcesAt } from '../memory/index.ts'
import { bm25, prefix, window } from '../ranking/index.ts'
import { type Columns, columnsOf } from './lines.ts'
import type { Scope } from './scope.ts'
import { hitColumns, memoryOfHit, type View } from './view.ts'
import { candidates } from './weights.ts'

/** Words from `first` up to, and without, `last`: they are compared byte by byte. */
export type Range = { first: string; last: string }
/**
 * What is looked for: these words, or in ranges; what is none of the question's terms counts less. One kind alone is given: each costs its planning. In a large scope
 * `common` words choose nobody, and count where others chose; `df` tells in how many memories they are. `cut`: so many rows of the words at most.
 */
export type Wanted = {
  terms: readonly string[]
  words: readonly string[]
  ranges: readonly Range[]
  common?: readonly string[]
  df?: ReadonlyMap<string, number>
  cut?: number | undefined
}

/**
 * Two rows. The lines of the one with `total` are memories with a word, the best `candidates.lexical` by BM25 of what they have themselves, with the words that were looked for.
 * `df` tells in how many memories of the scope each of these is, `total` how many have one. The other's are neighbours of the best in their sessions, some of them twice, without words.
 */
export type FoundLines = Columns & { df: Record<string, number> | null; total: string | null }

/** `told` is the SQL condition on a text m.text that tells of a time, or false when nobody asks. */
export function wordQuery(scope: Scope, wanted: Wanted, view: View, p: Params, told: string): string {
  const namespace = p.add(scope.namespaceKey, 'integer')
  const user = scope.column === 'user_key' ? p.add(scope.key, 'integer') : undefined
  const n = p.add(scope.memories, 'double precision')
  const { known } = view
  const place = `p.tenant_id = $1::integer and p.namespace_key = ${namespace}${user ? ` and p.user_key = ${user}` : ''}`
  let hits: string
  if (wanted.ranges.length) {
    // range by range: a join would read all words of the scope
    const within = postingsAt(known, `${place} and p.term >= b.first and p.term < b.last`)
    const ends = [wanted.ranges.map(({ first }) => first), wanted.ranges.map(({ last }) => last)]
    hits = `select p.* from unnest(${ends.map((list) => p.add(list, 'text[]')).join(', ')}) b (first, last) cross join lateral (${within} offset 0) p`
  } else {
    const all = postingsAt(known, `${place} and p.term = any (${p.add(wanted.words, 'text[]')})`)
    hits = wanted.cut === undefined ? all : `select * from (${all}) p limit ${p.add(wanted.cut, 'bigint')}`
  }
  const whole = wanted.ranges.length ? `case when f.term = any (${p.add(wanted.terms, 'text[]')}) then 1 else ${prefix.share} end` : '1'
  const features = featuresOf(told)
  return `with hits as materialized (${hits}
     ), frequency as materialized (
       select f.term, f.df, ln(1 + (greatest(${n}, f.df) - f.df + 0.5) / (f.df + 0.5)) * ${1 + bm25.k1}::double precision * ${whole} as weight
       from (select h.term, count(*)::double precision as df from hits h group by h.term) f
     ), scored as materialized (
       select h.memory_key${known ? ', max(h.closed) as closed' : ''}, string_agg(h.term || ' ' || h.tf || ' ' || h.len, ' ') as words,
         sum(f.weight * h.tf / (h.tf + ${bm25.k1}::double precision * greatest(1::double precision, h.len / ${bm25.longFrom}::double precision))) as score
       from hits h join frequency f on f.term = h.term group by h.memory_key
     )${wanted.common?.length ? withCommon(wanted.common, wanted.df, known, n, p) : ''}, lines as materialized (
       select s.memory_key, s.words, ${columns} from (select * from ${wanted.common?.length ? 'completed' : 'scored'} o order by o.score desc, o.memory_key) s
       -- row by row in the order of the score, until there are enough: conditions are looked at for few
       ${memoryOfHit(view, 's', 'both', '', features)} limit ${candidates.lexical}
     )
     select ${columnsOf('l')}, (select jsonb_object_agg(f.term, f.df) from frequency f) as df, (select count(*) from scored) as total from lines l
     union all
     select ${columnsOf('m', 'null::json')}, null, null ${neighboursOf('lines', view, features)}`
}

/** The best by the rare words, with the common ones that they have too. */
function withCommon(common: readonly string[], df: ReadonlyMap<string, number> | undefined, known: string | undefined, n: string, p: Params): string {
  const counts = common.map((term) => df?.get(term) ?? 0)
  const closed = known ? ', b.closed' : ''
  // as an expression the term cannot lead the planner into the index of terms, which without statistics it would take for as good
  const words = postingsAt(known, `p.tenant_id = $1::integer and p.memory_key = b.memory_key and p.term || '' = any (${p.add(common, 'text[]')})`)
  return `, best as materialized (
       select * from scored o order by o.score desc, o.memory_key limit ${candidates.withCommon}
     ), weights as materialized (
       select c.term, ln(1 + (greatest(${n}, c.df) - c.df + 0.5) / (c.df + 0.5)) * ${1 + bm25.k1}::double precision as weight
       from unnest(${p.add(common, 'text[]')}, ${p.add(counts, 'double precision[]')}) c (term, df)
     ), completed as materialized (
       select b.memory_key${closed}, concat_ws(' ', b.words, string_agg(c.term || ' ' || c.tf || ' ' || c.len, ' ')) as words,
         b.score + coalesce(sum(w.weight * c.tf / (c.tf + ${bm25.k1}::double precision * greatest(1::double precision, c.len / ${bm25.longFrom}::double precision))), 0) as score
       from best b left join lateral (${words} offset 0) c on true
       left join weights w on w.term = c.term group by b.memory_key${closed}, b.words, b.score
     )`
}

const columns = `${hitColumns}, m.session_key, m.speaker, m.asks, m.tells_of_time`
const featuresOf = (told: string) => `m.session_key, m.speaker, (position('?' in m.text) > 0 or position('？' in m.text) > 0) as asks, ${told} as tells_of_time`

/**
 * The neighbours of the best of some lines in their sessions. Each line looks as far as the next one in its session at most: what is beyond is a neighbour of that. So of
 * a session most of which was found anyway, little is read again.
 */
function neighboursOf(lines: string, view: View, features: string): string {
  return `from (select b.memory_key, b.session_key, b.occurred_at, lag(b.occurred_at, 1, '-infinity') over w as from_at, lag(b.memory_key, 1, 0::bigint) over w as from_key,
         lead(b.occurred_at, 1, 'infinity') over w as to_at, lead(b.memory_key, 1, 0::bigint) over w as to_key
       from (select * from ${lines} limit ${candidates.withNeighbours}) b where b.session_key is not null window w as (partition by b.session_key order by b.occurred_at, b.memory_key)) b
     cross join lateral (${neighbours(view, features, '<', 'desc')} union all ${neighbours(view, features, '>', 'asc')}) m`
}

/** Which of these words anything in the scope has, or had at an instant. */
export function knownWords(scope: Scope, words: readonly string[], asOf: string | undefined, p: Params): string {
  const user = scope.column === 'user_key' ? ` and p.user_key = ${p.add(scope.key, 'integer')}` : ''
  const where = `p.tenant_id = $1::integer and p.namespace_key = ${p.add(scope.namespaceKey, 'integer')}${user} and p.term = w.term`
  return `select w.term from unnest(${p.add(words, 'text[]')}) w (term) where exists (${postingsAt(asOf && p.add(asOf, 'timestamptz'), where)})`
}

/** Those who stand next to b in its session, on one side, as the view shows it. */
function neighbours({ conditions, known }: View, features: string, side: '<' | '>', order: 'asc' | 'desc'): string {
  const end = side === '<' ? '> (b.from_at, b.from_key)' : '< (b.to_at, b.to_key)'
  const parts = sourcesAt(known).map(
    ({ table, condition }) =>
      `(select m.memory_key, m.importance, m.occurred_at, ${table === 'memory_versions'} as closed, ${features} from ${table} m
        where m.tenant_id = $1::integer and m.session_key = b.session_key and (m.occurred_at, m.memory_key) ${side} (b.occurred_at, b.memory_key) and (m.occurred_at, m.memory_key) ${end}
          and ${condition} and ${conditions}
        order by m.occurred_at ${order}, m.memory_key ${order} limit ${window.earlier.length})`,
  )
  const [only, more] = parts
  return more === undefined
    ? (only as string)
    : `(select * from (${parts.join(' union all ')}) m order by m.occurred_at ${order}, m.memory_key ${order} limit ${window.earlier.length})`
}

/** The words that were known at an instant; a version that was closed since brings the words it had, and its number as `closed`. */
function postingsAt(known: string | undefined, where: string): string {
  const open = 'p.memory_key, p.term, p.tf, p.len'
  if (known === undefined) return `select ${open} from postings p where ${where}`
  // of the very second, or of no second that is known, the memory itself tells
  const recorded = `(p.recorded_second < (select second_of(${known})) or (p.recorded_second in ((select second_of(${known})), 2147483647) and was_recorded(p.tenant_id, p.memory_key, ${known})))`
  return `select ${open}, null::integer as closed from postings p where ${where} and ${recorded}
       union all
       select ${open}, p.version from closed_postings p where ${where} and p.closed_at > ${known} and p.recorded_at <= ${known}`
}

/** Words of the question and, where the scope is small enough to read them all, of the words that begin like them. */
export function wantedOf(terms: readonly string[], scope: Scope, largeScope: number): Wanted {
  if (scope.memories >= largeScope) return { terms, words: terms, ranges: [] }
  // half a character would be another one on its way to the database
  const begins = (term: string) => term.length >= prefix.letters && !/[\ud800-\udbff]$/.test(term.slice(0, prefix.letters))
  const beginnings = new Set(terms.filter(begins).map((term) => term.slice(0, prefix.letters)))
  const short = terms.filter((term) => !begins(term))
  return { terms, words: [], ranges: [...[...beginnings].map((first) => ({ first, last: beyond(first) })), ...short.map(exactly)] }
}

/** What was wanted, and these words too; none twice, or it would count as two. */
export function withWords({ terms, words, ranges }: Wanted, more: readonly string[]): Wanted {
  if (!ranges.length) return { terms, words: [...new Set([...words, ...more])], ranges }
  const others = more.filter((word) => !ranges.some(({ first, last }) => word === first || (last === beyond(first) && word.startsWith(first))))
  return { terms, words, ranges: [...ranges, ...others.map(exactly)] }
}

const beyond = (beginning: string) => `${beginning}\u{10ffff}`
const exactly = (word: string): Range => ({ first: word, last: `${word}\u0001` })
