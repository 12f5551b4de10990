import type { Sql } from '../db/index.ts'
import type { Params } from '../filter/index.ts'
import { asksWhen, type Line, type Parts, rank, standsFor, tellingOfTime, type Word } from '../ranking/index.ts'
import type { Scope } from './scope.ts'
import type { Hit, View } from './view.ts'
import { candidates, largeScope } from './weights.ts'
import { type Columns, type FoundLines, wantedOf, wordQuery } from './word-query.ts'

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
  const [found] = await tx.query<FoundLines>(wordQuery(scope, wantedOf(terms, scope, largeScope), view, p, told), p.values)
  if (!found) return { hits: [], most: 0, candidates: 0 }
  const df = new Map(Object.entries(found.df ?? {}))
  const lines = linesOf(found.lines).sort(inOrder)
  const { ranked, most } = rank({ text: question, terms }, lines, { memories: scope.memories, df })
  const byKey = new Map(lines.map((line) => [line.key, line]))
  const hits = ranked.slice(0, candidates.lexical).map(({ key, score, parts }): LexicalHit => {
    const { importance, at, closed, words } = byKey.get(key) as FoundLine
    const matched = terms.filter((term) => words.some((word) => standsFor(term, word.term, undefined))).sort()
    return { key, importance, occurredAt: at, closed, score, parts, matched }
  })
  return { hits, most, candidates: Number(found.total) }
}

type FoundLine = Line & { importance: number; closed: boolean }
function linesOf({ key, words, session, speaker, asks, tells, importance, at, closed }: Columns): FoundLine[] {
  return (key ?? []).map((one, i) => ({
    key: one,
    session: session?.[i] ?? null,
    speaker: speaker?.[i] ?? null,
    at: new Date(at?.[i] ?? 0),
    asks: asks?.[i] ?? false,
    tellsOfTime: tells?.[i] ?? false,
    words: readWords(words?.[i] ?? ''),
    importance: importance?.[i] ?? 0,
    closed: closed?.[i] ?? false,
  }))
}

function readWords(text: string): Word[] {
  if (!text) return []
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
