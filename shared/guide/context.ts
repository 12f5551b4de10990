import { invalidField } from '../problem/index.ts'
import type { RecallResult } from '../recall/index.ts'
import { type Language, languageOfText, tokenize } from '../text/index.ts'

const idNames = ['user_id', 'agent_id', 'app_id', 'run_id', 'session_id'] as const
type IdName = (typeof idNames)[number]
/** What a caller has in mind: the words of the context's texts, by the rules of a memory's language; and the scope ids it names. */
export type ContextClues = { wordsIn(language: Language): ReadonlySet<string>; ids: [IdName, string][] }

/** How much each kind of clue counts beside the query's own score. */
const weight = 0.25
const mostWords = 256

/** Top-level scope ids by their names; the words of every other text, at any depth. @throws AppError invalid */
export function readContext(context: Record<string, unknown>): ContextClues {
  const ids: ContextClues['ids'] = []
  const texts: string[] = []
  const visit = (value: unknown): void => {
    if (typeof value === 'string') texts.push(value)
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit)
  }
  for (const [name, value] of Object.entries(context)) {
    const id = idNames.find((known) => known === name)
    if (!id) visit(value)
    else if (typeof value === 'string' && value !== '') ids.push([id, value])
    else if (value !== null) throw invalidField(`/context/${name}`, 'takes an id')
  }
  const known = new Map<Language, ReadonlySet<string>>()
  const wordsIn = (language: Language) => {
    const words = known.get(language) ?? new Set([...new Set(texts.flatMap((text) => tokenize(text, language)))].slice(0, mostWords))
    known.set(language, words)
    return words
  }
  return { wordsIn, ids }
}

/**
 * (score + ¼·w + ¼·i) / (1 + ¼·[words given] + ¼·[ids given]), in 0..1: w is the share of the context's words that the memory's text has, i the share
 * of its ids that are the memory's own, or stand in its payload under the same name (the guides keep a run_id there).
 */
export function contextScore(result: RecallResult, { wordsIn, ids }: ContextClues): number {
  const language = languageOfText(result.text, result.language)
  const words = wordsIn(language)
  const had = new Set(tokenize(result.text, language))
  const payload = (result.payload ?? {}) as Record<string, unknown>
  const sharedWords = words.size ? [...words].filter((word) => had.has(word)).length / words.size : 0
  const sharedIds = ids.length ? ids.filter(([name, id]) => result[name] === id || payload[name] === id).length / ids.length : 0
  return (result.score + weight * sharedWords + weight * sharedIds) / (1 + (words.size ? weight : 0) + (ids.length ? weight : 0))
}
