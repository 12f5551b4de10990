import type { Question } from '../text/index.ts'
import { closenessTo, datesOf } from './dates.ts'
import { namedIn } from './names.ts'
import { type Place, withNeighbours } from './neighbours.ts'
import { type Alternatives, type Frequencies, idfOf, occurrences, type Word, withForms } from './occurrence.ts'
import { bm25, boost, session } from './parameters.ts'
import { scoreSessions } from './sessions.ts'
import { asksWhen } from './signals.ts'
import type { Spelt } from './spelling.ts'

/** A memory as the ranking sees it. */
export type Line = Place & { key: string; at: Date; tellsOfTime: boolean; words: readonly Word[] }
/** What makes up a score, in units of idf: the memory's own words, what its neighbours add to them, its session, and who, when and what kind. */
export type Parts = { words: number; neighbours: number; session: number; speaker: number; date: number; when: number }
export type Ranked = { key: string; score: number; parts: Parts }
export type Ranking = { ranked: Ranked[] /** What no memory can pass: every term again and again, in the best session, with all that the question names. */; most: number }

/** A question; `terms` and `words` as they were mended; `edits` are the words one edit away, of its terms that nothing in the scope has. */
export type Asked = Pick<Question, 'text' | 'languages' | 'forms'> & {
  words: readonly Spelt[]
  terms: readonly string[]
  edits?: ReadonlyMap<string, ReadonlySet<string>> | undefined
}
/** A term of a question with all that stands for it. */
export const alternativesOf = ({ forms, edits }: Pick<Asked, 'forms' | 'edits'>, term: string): Alternatives => ({ forms: forms.get(term), edits: edits?.get(term) })

/**
 * Scores memories for a question. `lines` of a session stand together, in the order (at, key). Score of a memory: the sum of idf(t) over the terms, each as far as
 * the memory or a neighbour has it, and a share of its session's BM25, and a boost for the speaker, the day and the kind of thing that the question names.
 * Only memories with a word, their neighbours, and those of the best sessions are answers. The best first; of equals the earlier.
 */
export function rank(asked: Asked, lines: readonly Line[], counted: Frequencies): Ranking {
  const frequencies = withForms(counted, asked.forms)
  const named = namedIn(asked.words, new Set(lines.flatMap(({ speaker }) => speaker ?? [])), asked.languages)
  const terms = asked.terms.filter((term) => !named.terms.has(term))
  const dates = datesOf(asked.text, asked.languages)
  const when = asksWhen(asked.text)
  const idf = terms.map((term) => idfOf(frequencies, term))
  const own = occurrences(
    terms,
    lines.map(({ words }) => words),
    frequencies,
    (term) => alternativesOf(asked, term),
  )
  const spread = own.map((values) => withNeighbours(values, lines))
  const sessions = scoreSessions(
    lines.map((line) => line.session),
    own,
  )
  const closeness = lines.map(({ at }) => (dates.length ? closenessTo(dates, at) : 0))
  const best = bestSessions(lines, sessions, closeness)

  const ranked: Ranked[] = []
  for (const [j, line] of lines.entries()) {
    let words = 0
    let withOthers = 0
    for (let t = 0; t < idf.length; t++) {
      words += (idf[t] as number) * (own[t]?.[j] as number)
      withOthers += (idf[t] as number) * (spread[t]?.[j] as number)
    }
    if (!withOthers && !(line.session === null ? closeness[j] : best.has(line.session))) continue
    const parts = {
      words,
      neighbours: withOthers - words,
      session: line.session === null ? 0 : session.weight * (sessions.get(line.session) ?? 0),
      speaker: named.speaker !== undefined && line.speaker === named.speaker ? boost.speaker : 0,
      date: boost.date * (closeness[j] as number),
      when: when && line.tellsOfTime ? boost.when : 0,
    }
    const score = round(withOthers + parts.session + parts.speaker + parts.date + parts.when)
    if (score > 0) ranked.push({ key: line.key, score, parts })
  }
  const place = new Map(lines.map(({ key, at }) => [key, at.getTime()]))
  ranked.sort((a, b) => b.score - a.score || (place.get(a.key) as number) - (place.get(b.key) as number) || Number(BigInt(a.key) - BigInt(b.key)))
  const mass = (1 + bm25.k1) * idf.reduce((sum, weight) => sum + weight, 0)
  const most =
    mass + session.weight * Math.max(0, ...sessions.values()) + (named.speaker === undefined ? 0 : boost.speaker) + (dates.length ? boost.date : 0) + (when ? boost.when : 0)
  return { ranked, most }
}

/** The sessions with the best share of the words and the day. */
function bestSessions(lines: readonly Line[], scores: ReadonlyMap<string, number>, closeness: readonly number[]): Set<string> {
  const totals = new Map<string, number>()
  for (const [j, { session: one }] of lines.entries()) {
    if (one === null) continue
    const total = session.weight * (scores.get(one) ?? 0) + boost.date * (closeness[j] as number)
    if (total > (totals.get(one) ?? 0)) totals.set(one, total)
  }
  const sorted = [...totals].sort(([one, a], [other, b]) => round(b) - round(a) || (one < other ? -1 : 1))
  return new Set(sorted.slice(0, session.whole).map(([one]) => one))
}

/** Nine decimals: equal sums in another order of addition stay ties. */
export const round = (value: number): number => Math.round(value * 1e9) / 1e9
