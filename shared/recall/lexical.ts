import type { Sql } from '../db/index.ts'
import type { Params } from '../filter/index.ts'
import { asksWhen, type Line, type Parts, rank, standsFor, tellingOfTime, type Word } from '../ranking/index.ts'
import type { Scope } from './scope.ts'
import { type Hit, hitOf, type View } from './view.ts'
import { candidates, largeScope } from './weights.ts'
import { type LineRow, wantedOf, wordQuery } from './word-query.ts'

export type LexicalHit = Hit & { /** In units of idf. */ score: number; parts: Parts /** The terms of the question that the memory has itself. */; matched: string[] }
/** `most`: the highest score there could be. `candidates`: memories with a word of the question. */
export type LexicalArm = { hits: LexicalHit[]; most: number; candidates: number }

/**
 * Ranks the memories of one scope by their words and those of their neighbours, their sessions, and by whom and when the question names. How often a word is there is
 * counted from the very rows that are read, so it is exact. `view` says which rows of memories count; its values are in `p`, the tenant first.
 */
export async function searchLexical(tx: Sql, scope: Scope, question: string, terms: string[], view: View, p: Params): Promise<LexicalArm> {
  if (!terms.length) return { hits: [], most: 0, candidates: 0 }
  const told = asksWhen(question) ? `left(m.text, ${tellingOfTime.looked}) ~* ${p.add(tellingOfTime.posix, 'text')}` : 'false'
  const rows = await tx.query<LineRow>(wordQuery(scope, wantedOf(terms, scope, largeScope), view, p, told), p.values)
  const df = new Map(Object.entries(rows[0]?.df ?? {}))
  const lines = rows.map(lineOf).sort(inOrder)
  const { ranked, most } = rank({ text: question, terms }, lines, { memories: scope.memories, df })
  const byKey = new Map(rows.map((row) => [row.memory_key, row]))
  const wordsOf = new Map(lines.map((line) => [line.key, line.words]))
  const hits = ranked.slice(0, candidates.lexical).map(({ key, score, parts }) => ({
    ...hitOf(byKey.get(key) as LineRow),
    score,
    parts,
    matched: terms.filter((term) => wordsOf.get(key)?.some((word) => standsFor(term, word.term, undefined))).sort(),
  }))
  return { hits, most, candidates: Number(rows[0]?.total ?? 0) }
}

function lineOf(row: LineRow): Line {
  return {
    key: row.memory_key,
    session: row.session_key,
    speaker: row.speaker,
    at: row.occurred_at,
    asks: row.asks,
    tellsOfTime: row.tells_of_time,
    words: row.words === null ? [] : readWords(row.words),
  }
}

function readWords(text: string): Word[] {
  const parts = text.split(' ')
  const words: Word[] = []
  for (let i = 0; i < parts.length; i += 3) words.push({ term: parts[i] as string, tf: Number(parts[i + 1]), len: Number(parts[i + 2]) })
  return words
}

/** Sessions together, in each the order in which things happened. */
function inOrder(a: Line, b: Line): number {
  if (a.session !== b.session) return (a.session ?? '') < (b.session ?? '') ? -1 : 1
  return a.at.getTime() - b.at.getTime() || Number(BigInt(a.key) - BigInt(b.key))
}
