import stem from 'wink-porter2-stemmer'
import english from './english.json' with { type: 'json' }

/** Stored with every memory, so that a change of the rules below can find the rows it must redo. */
export const tokenizerRevision = 1

const stopWords = new Set(english.stop)
const irregular: Record<string, string> = Object.assign(Object.create(null), english.irregular)
// letters, marks and digits; an apostrophe joins ("caroline's"), the part after it is cut below
export const word = /[\p{L}\p{M}\p{N}]+(?:'[\p{L}\p{M}\p{N}]+)*/gu
export const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u
/** No index entry grows without bound: what is longer is cut, at write and at query time alike. */
const longestTerm = 64

/** Terms of a text in order: NFKC, lower case, stop words dropped, irregular forms folded, Porter2. Scripts without spaces give bigrams. */
export function tokenize(text: string, language?: string | null): string[] {
  const neutral = language != null && !/^en\b/i.test(language)
  const terms: string[] = []
  for (const [run] of text.normalize('NFKC').replaceAll('’', "'").toLowerCase().matchAll(word)) {
    if (unspaced.test(run)) {
      for (const bigram of bigrams(run)) terms.push(bigram)
      continue
    }
    // cut before the stemmer sees it: its time grows with the square of a word's length (measured: 21 s for one of 64 KiB)
    const base = (run.split("'", 1)[0] as string).slice(0, longestTerm)
    if (neutral) {
      terms.push(base)
    } else if (!stopWords.has(base)) {
      const folded = irregular[base] ?? base
      terms.push(stemOf(irregular[folded] ?? folded).slice(0, longestTerm))
    }
  }
  return terms
}

/** The words of a text as they are written, before stop words and stems: folded, cut at the apostrophe, and whether they begin with a capital. */
export function wordsOf(text: string): { folded: string; capital: boolean }[] {
  return [...text.normalize('NFKC').replaceAll('’', "'").matchAll(word)].map(([run]) => ({
    folded: (run.toLowerCase().split("'", 1)[0] as string).slice(0, longestTerm),
    capital: /^\p{Lu}/u.test(run),
  }))
}
/** Stop words of so many letters at least. */
export const stopWordsOf = (letters: number): string[] => english.stop.filter((stop) => stop.length >= letters)
export const isStopWord = (folded: string): boolean => stopWords.has(folded)

/** Stems seen before. Measured: ten times as fast, as few words make up most of a text; emptied when full, so it cannot grow with the data. */
const stems = new Map<string, string>()
function stemOf(base: string): string {
  const known = stems.get(base)
  if (known !== undefined) return known
  if (stems.size >= 20_000) stems.clear()
  const stemmed = stem(base)
  stems.set(base, stemmed)
  return stemmed
}

function bigrams(run: string): string[] {
  const characters = [...run]
  if (characters.length === 1) return characters
  return characters.slice(1).map((character, i) => `${characters[i]}${character}`)
}

/** Distinct terms with how often each occurs, and how many there are in all. */
export function countTerms(text: string, language?: string | null): { counts: Map<string, number>; length: number } {
  const counts = new Map<string, number>()
  const terms = tokenize(text, language)
  for (const term of terms) counts.set(term, Math.min(32767, (counts.get(term) ?? 0) + 1))
  return { counts, length: terms.length }
}

/** What stands for a memory in the postings: the words of its text, and each of its tags once, as `#tag`. `length` counts the words alone. */
export function termsOf({ text, language, tags }: { text: string; language?: string | null; tags: readonly string[] }): { counts: Map<string, number>; length: number } {
  const terms = countTerms(text, language)
  for (const tag of tags) terms.counts.set(`#${tag}`, 1)
  return terms
}
