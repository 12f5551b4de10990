import { identifierWords } from './identifiers.ts'
import type { Language } from './languages.ts'

// letters, marks and digits; an apostrophe joins ("caroline's"): which part counts is the language's to say
export const word = /[\p{L}\p{M}\p{N}]+(?:'[\p{L}\p{M}\p{N}]+)*/gu
export const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u
/** No index entry grows without bound: what is longer is cut, at write and at query time alike. */
export const longestTerm = 64

/** What is left out before an apostrophe: l'homme, d'été, qu'il; copo d'água. Each is a stop word of its language. */
const elided: Partial<Record<Language, ReadonlySet<string>>> = {
  fr: new Set(['l', 'd', 'j', 'm', 't', 's', 'n', 'c', 'qu', 'jusqu', 'lorsqu', 'puisqu', 'quoiqu']),
  pt: new Set(['d']),
}

/** NFKC with one kind of apostrophe: the form in which texts are cut. */
export const plainOf = (text: string): string => text.normalize('NFKC').replaceAll('’', "'")

/** A text cut into words, in lower case and in order; what stands for identifiers of code comes last. `spaced`: none of them is in a script without spaces. */
export type Cut = { plain: string; words: string[]; spaced: boolean }
export function cut(text: string): Cut {
  const plain = plainOf(text)
  const words: string[] = plain.toLowerCase().match(word) ?? []
  const more = identifierWords(plain)
  return { plain, words: more.length ? [...words, ...more] : words, spaced: !unspaced.test(plain) }
}

/** The part of a word that counts: before the apostrophe, in French behind an article. Cut before a stemmer sees it: some take the square of a word's length (21 s for 64 KiB). */
export function baseOf(run: string, language: Language): string {
  const at = run.indexOf("'")
  if (at < 0) return run.length > longestTerm ? run.slice(0, longestTerm) : run
  const [first = '', second = ''] = run.split("'", 2)
  return (elided[language]?.has(first) ? second : first).slice(0, longestTerm)
}

export function bigrams(run: string): string[] {
  const characters = [...run]
  if (characters.length === 1) return characters
  return characters.slice(1).map((character, i) => `${characters[i]}${character}`)
}
