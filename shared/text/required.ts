import { bigrams, longestTerm, plainOf, unspaced, word } from './cut.ts'
import { type Language, markOf, stemmed } from './languages.ts'
import { termIn } from './tokenize.ts'

/** NFKC with one apostrophe, and in lower case unless told otherwise: the form in which texts are compared and cut into words. */
export function foldText(text: string, caseSensitive = false): string {
  const plain = plainOf(text)
  return caseSensitive ? plain : plain.toLowerCase()
}

const languages: readonly Language[] = [...stemmed, 'und']

/**
 * What the postings of every text that holds this term must have, whatever its language: for each of its words that is certain, the terms it may stand
 * there as, or the marks of the languages in which it is a stop word. Left out are stop words of English, and what may be a part of a longer word of the text: with
 * `exact` false the term's first and last word, always a word behind an apostrophe and a lone character of a script without spaces. Empty: the postings say nothing about it.
 */
export function requiredTerms(term: string, exact: boolean): string[][] {
  const text = foldText(term)
  const groups = new Map<string, string[]>()
  for (const match of text.matchAll(word)) {
    const [run] = match
    const end = match.index + run.length
    const open = (!exact && (match.index === 0 || end === text.length)) || text[match.index - 1] === "'"
    if (unspaced.test(run)) {
      // its pairs of characters are pairs of any longer run too
      for (const pair of [...run].length > 1 ? bigrams(run) : []) groups.set(pair, [pair])
    } else if (!open && termIn(run, 'en') !== undefined) {
      const stands = languages.map((language) => termIn(run, language) ?? markOf(language))
      groups.set(run.slice(0, longestTerm), [...new Set(stands)])
    }
  }
  return [...groups.values()]
}
