import type { Line, Word } from '../ranking/index.ts'

export type FoundLine = Line & { importance: number; closed: boolean }
type Texts = (string | null)[] | null
/**
 * Lines as one row, a column a list: JSON takes longer to write, a row each longer to read. Numbers and truth values are PostgreSQL's text of an
 * array of them, `{1,2,NULL}`; what may hold anything is JSON.
 */
export type Columns = {
  key: string | null
  words: Texts
  session: string | null
  speaker: Texts
  asks: string | null
  tells: string | null
  importance: string | null
  /** Milliseconds since 1970. */
  at: string | null
  closed: string | null
}

/** The columns of `l`, which has those of the memories and, unless they are neighbours, `words` as "term tf len …". */
export const columnsOf = (l: string, words = `to_json(array_agg(${l}.words))`): string =>
  `array_agg(${l}.memory_key)::text as key, ${words} as words, array_agg(${l}.session_key)::text as session, to_json(array_agg(${l}.speaker)) as speaker,
    array_agg(${l}.asks)::text as asks, array_agg(${l}.tells_of_time)::text as tells, array_agg(${l}.importance)::text as importance,
    array_agg(extract(epoch from ${l}.occurred_at)::double precision * 1000)::text as at, array_agg(${l}.closed)::text as closed`

export function linesOf({ key, words, session, speaker, asks, tells, importance, at, closed }: Columns): FoundLine[] {
  const [sessions, times, weights] = [listOf(session), listOf(at), listOf(importance)]
  const [asking, telling, past] = [listOf(asks), listOf(tells), listOf(closed)]
  return listOf(key).map((one, i) => ({
    key: one,
    session: sessions[i] === 'NULL' ? null : (sessions[i] as string),
    speaker: speaker?.[i] ?? null,
    at: new Date(Number(times[i])),
    asks: asking[i] === 't',
    tellsOfTime: telling[i] === 't',
    words: readWords(words?.[i] ?? ''),
    importance: Number(weights[i]),
    closed: past[i] === 't',
  }))
}

const listOf = (text: string | null): string[] => (text === null || text === '{}' ? [] : text.slice(1, -1).split(','))

function readWords(text: string): Word[] {
  if (!text) return []
  const parts = text.split(' ')
  const words: Word[] = []
  for (let i = 0; i < parts.length; i += 3) words.push({ term: parts[i] as string, tf: Number(parts[i + 1]), len: Number(parts[i + 2]) })
  return words
}
