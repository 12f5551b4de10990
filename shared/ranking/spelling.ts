import { isStopWord, type Language, type Question, stopWordsOf, tokenize, wordsOf } from '../text/index.ts'
import { standsFor } from './occurrence.ts'
import { edit } from './parameters.ts'

/** A word of the question: as it is written, whether with a capital, and its term; none for a stop word. */
export type Spelt = { folded: string; capital: boolean; term: string | undefined }

/** `terms` without those that are misspelt stop words or names, `words` with the names as they are spelt; `unknown` are terms to look for one edit away. */
export type Repaired = { words: Spelt[]; terms: string[]; unknown: string[] }

const shortest = 3
const shortestName = 4
/** Question words of English that are no stop words in a memory. */
const asked = ['whose', 'whats', 'name', 'many', 'much']
const letters = 'abcdefghijklmnopqrstuvwxyz'
const longest = 24
/** A question may be a document: who is named and what is misspelt is looked for in its first words, and no more than so many terms one edit away. */
const mostWords = 256
const mostUnknown = 8
const stopsOf = (language: Language) => [...stopWordsOf(shortestName, language), ...(language === 'en' ? asked : [])]

export function spell({ text, language }: Pick<Question, 'text' | 'language'>): Spelt[] {
  return wordsOf(text, language)
    .slice(0, mostWords)
    .map(({ folded, capital }) => ({ folded, capital, term: tokenize(folded, language)[0] }))
}

/**
 * What a question may have meant, by the words that its scope knows. Only words that nothing there has are looked at: a word that is found is never another. What
 * begins like words that are there is not looked for one edit away: it is more often another word than a misspelt one.
 */
export function repair(spelt: readonly Spelt[], { language, terms, forms }: Question, known: Iterable<string>, speakers: Iterable<string>): Repaired {
  const words = new Set(known)
  const stops = stopsOf(language)
  const isKnown = (term: string) => words.has(term) || (forms.get(term)?.some((form) => words.has(form)) ?? false)
  const begins = (term: string) => [...words].some((word) => standsFor(term, word, { forms: forms.get(term) }))
  const names = [...new Set([...speakers].flatMap((speaker) => wordsOf(speaker).map(({ folded }) => folded)))].filter((name) => name.length >= shortestName)
  const dropped = new Set<string>()
  const unknown = new Set<string>()
  const mended = spelt.map((word) => {
    const { folded, term } = word
    if (term === undefined || folded.length < shortest || names.includes(folded) || isKnown(term)) return word
    const name = names.find((one) => isOneEdit(folded, one))
    if (name !== undefined || isMisspeltStopWord(folded, language, stops)) {
      dropped.add(term)
      return name === undefined ? word : { ...word, folded: name }
    }
    if (folded.length >= edit.shortest && folded.length <= longest && !begins(term)) unknown.add(term)
    return word
  })
  return { words: mended, terms: terms.filter((term) => !dropped.has(term)), unknown: [...unknown].slice(0, mostUnknown) }
}

function isMisspeltStopWord(folded: string, language: Language, stops: readonly string[]): boolean {
  return !isStopWord(folded, language) && stops.some((stop) => folded !== stop && isOneEdit(folded, stop))
}

/** Whether a letter more, less, or another, or two neighbours exchanged, make one word the other. */
export function isOneEdit(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1 || a === b) return false
  let from = 0
  while (from < a.length && a[from] === b[from]) from++
  const [restA, restB] = [a.slice(from), b.slice(from)]
  if (restA.slice(1) === restB || restB.slice(1) === restA || restA.slice(1) === restB.slice(1)) return true
  return restA.length > 1 && restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2)
}

/** Every term that lies one edit away: some fifty for each letter. Letters are those of English and the term's own. */
export function oneEditFrom(term: string): string[] {
  const characters = [...term]
  const alphabet = new Set([...letters, ...characters])
  const found = new Set<string>()
  for (let at = 0; at <= characters.length; at++) {
    const before = characters.slice(0, at).join('')
    const after = characters.slice(at)
    if (after.length) found.add(before + after.slice(1).join(''))
    if (after.length > 1) found.add(before + after[1] + after[0] + after.slice(2).join(''))
    for (const letter of alphabet) {
      found.add(before + letter + after.join(''))
      if (after.length) found.add(before + letter + after.slice(1).join(''))
    }
  }
  found.delete(term)
  found.delete('')
  return [...found]
}
