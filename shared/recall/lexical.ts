import type { Sql } from '../db/index.ts'
import { type Params, params } from '../filter/index.ts'
import { alternativesOf, asksWhen, type Budgeted, oneEditFrom, type Parts, rank, repair, spell, standsFor, tellingOfTime, withinBudget } from '../ranking/index.ts'
import type { Question } from '../text/index.ts'
import { type FoundLine, linesOf } from './lines.ts'
import type { Scope } from './scope.ts'
import type { Hit, View } from './view.ts'
import { candidates, largeScope } from './weights.ts'
import { type FoundLines, knownWords, type Wanted, wantedOf, withWords, wordQuery } from './word-query.ts'

export type LexicalHit = Hit & { /** In units of idf. */ score: number; parts: Parts /** The terms of the question that the memory has itself. */; matched: string[] }
/** `most`: the highest score there could be. `candidates`: memories with a word of the question. */
export type LexicalArm = { hits: LexicalHit[]; most: number; candidates: number }

/**
 * Ranks the memories of one scope by their words and those of their neighbours, their sessions, and by whom and when the question names. How often a word is there is
 * counted from the very rows that are read, so it is exact. A word that nothing there has is taken for one that is spelt almost so. `view` says which rows of memories count.
 */
export async function searchLexical(tx: Sql, scope: Scope, question: Question, view: (p: Params) => View, asOf: string | undefined): Promise<LexicalArm> {
  if (!question.terms.length) return nothing
  const wanted = wantedOf([...new Set([...question.terms, ...[...question.forms.values()].flat()])], scope, largeScope)
  let found = await readBudgeted(tx, scope, question, wanted, view)
  const speakers = new Set(found.lines.flatMap(({ speaker }) => speaker ?? []))
  const repaired = repair(spell(question), question, found.df.keys(), speakers)
  const edits = repaired.unknown.length ? await findEdits(tx, scope, repaired.unknown, asOf) : undefined
  if (edits?.size) {
    const more = withWords(wanted, [...new Set([...edits.values()].flatMap((some) => [...some]))])
    found = await readBudgeted(tx, scope, question, more, view)
  }
  const { df, total } = found
  const lines = bySession(eachOnce([...found.lines, ...found.neighbours]))
  const asked = { ...question, words: repaired.words, terms: repaired.terms, edits }
  const { ranked, most } = rank(asked, lines, { memories: scope.memories, df })
  const byKey = new Map(lines.map((line) => [line.key, line]))
  const hits = ranked.slice(0, candidates.lexical).map(({ key, score, parts }): LexicalHit => {
    const { importance, at, closed, words: held } = byKey.get(key) as FoundLine
    const matched = repaired.terms.filter((term) => held.some((word) => standsFor(term, word.term, alternativesOf(asked, term)))).sort()
    return { key, importance, occurredAt: at, closed, score, parts, matched }
  })
  return { hits, most, candidates: total }
}

const nothing: LexicalArm = { hits: [], most: 0, candidates: 0 }
type Read = { lines: FoundLine[] /** Who stands next to the best of these in its session. */; neighbours: FoundLine[]; df: Map<string, number>; total: number }

/** The SQL condition that a text tells of a time, where the question asks for one. */
const toldIn = ({ text, held }: Question, p: Params) => (asksWhen(text) ? `left(m.text, ${tellingOfTime.looked}) ~* ${p.add(tellingOfTime.posix(held), 'text')}` : 'false')

async function readLines(tx: Sql, scope: Scope, question: Question, wanted: Wanted, view: (p: Params) => View): Promise<Read> {
  const p = params([scope.tenantId])
  const rows = await tx.query<FoundLines>(wordQuery(scope, wanted, view(p), p, toldIn(question, p)), p.values)
  const found = rows.find(({ total }) => total !== null)
  const beside = rows.find(({ total }) => total === null)
  if (!found) return { lines: [], neighbours: [], df: new Map(), total: 0 }
  const df = new Map(Object.entries(found.df ?? {}))
  // what was not read to its end is known by its count
  for (const term of [...(wanted.common ?? []), ...(wanted.cut === undefined ? [] : wanted.words)]) df.set(term, wanted.df?.get(term) ?? df.get(term) ?? 0)
  return { lines: linesOf(found), neighbours: beside ? linesOf(beside) : [], df, total: Number(found.total) }
}

/** In a large scope the rare words choose, as far as it is known which are common there. Where they find too few, the rarest of the others does, up to the budget. */
async function readBudgeted(tx: Sql, scope: Scope, question: Question, wanted: Wanted, view: (p: Params) => View): Promise<Read> {
  if (wanted.ranges.length) return readLines(tx, scope, question, wanted, view)
  const rows = await tx.query<{ term: string; memories: string }>(
    'select c.term, c.memories from word_counts c where c.tenant_id = $1::integer and c.scope_key = $2::integer and c.term = any ($3::text[])',
    [scope.tenantId, scope.key, wanted.words],
  )
  const df = new Map(rows.map(({ term, memories }) => [term, Number(memories)]))
  const read = ({ selecting, common, cut }: Budgeted) => readLines(tx, scope, question, { ...wanted, words: selecting, common, df, cut }, view)
  const budgeted = withinBudget(wanted.words, df, scope.memories)
  const found = await read(budgeted)
  if (!budgeted.common.length || found.total >= candidates.lexical) return found
  const more = await read(withinBudget(budgeted.common, df, scope.memories))
  const lines = [...found.lines, ...more.lines]
  return { lines, neighbours: [...found.neighbours, ...more.neighbours], df: new Map([...more.df, ...found.df]), total: found.total + more.total }
}

/** For each of these terms, that nothing in the scope has, the words of the scope one edit away. */
async function findEdits(tx: Sql, scope: Scope, unknown: readonly string[], asOf: string | undefined): Promise<Map<string, Set<string>>> {
  const near = new Map(unknown.map((term) => [term, oneEditFrom(term)]))
  const p = params([scope.tenantId])
  const rows = await tx.query<{ term: string }>(knownWords(scope, [...near.values()].flat(), asOf, p), p.values)
  const known = new Set(rows.map(({ term }) => term))
  return new Map([...near].map(([term, words]) => [term, new Set(words.filter((word) => known.has(word)))] as const).filter(([, words]) => words.size))
}

/** A memory may be found by rare words and by common ones, and stand next to another: what was found first has the words that count. */
function eachOnce(lines: readonly FoundLine[]): FoundLine[] {
  const known = new Set<string>()
  return lines.filter(({ key }) => !known.has(key) && known.add(key))
}

/** Sessions together, in each the order in which things happened; whoever has none stands alone. */
function bySession(lines: readonly FoundLine[]): FoundLine[] {
  const sessions = Map.groupBy(lines, ({ session }) => session)
  return [...sessions].flatMap(([session, some]) => (session === null ? some : some.sort((a, b) => a.at.getTime() - b.at.getTime() || Number(BigInt(a.key) - BigInt(b.key)))))
}
