import { baseOf, bigrams, type Cut, cut, longestTerm, plainOf, unspaced, word } from './cut.ts'
import { detect } from './detect.ts'
import { type Language, languageNamed, markOf } from './languages.ts'
import { accentedStem, stemOf } from './stem.ts'
import { isStopWord } from './word-lists.ts'

/** Stored with every memory, so that a change of the rules can find the rows it must redo: the job recount-words. */
export const tokenizerRevision = 2

/** A count of a posting is a smallint. */
const mostCounted = 32_767

/** The language by whose rules a text is cut: the one it is said to be in, or else as it looks. */
export function languageOf({ plain, words }: Cut, said?: string | null): Language {
  return said == null ? detect(words, plain).language : languageNamed(said)
}

/** As languageOf, of a text that is not cut yet. */
export const languageOfText = (text: string, said?: string | null): Language => languageOf(cut(text), said)

/** The term that stands for one word, as it is cut from a text of a script with spaces; undefined for a stop word. */
export function termIn(run: string, language: Language): string | undefined {
  const base = baseOf(run, language)
  if (language === 'und') return base
  return isStopWord(base, language) ? undefined : stemOf(base, language)
}

/**
 * Terms of a text: NFKC, lower case; by the rules of its language, said or detected, stop words dropped, irregular forms and stems made one, accents taken off; a language
 * without rules (any but en, de, fr, es, pt, when it is said) keeps its words. Scripts without spaces give bigrams. Identifiers of code are found by their parts too.
 */
export function tokenize(text: string, language?: string | null): string[] {
  const one = cut(text)
  return termsOfCut(one, languageOf(one, language))
}

function termsOfCut({ words, spaced }: Cut, language: Language): string[] {
  const terms: string[] = []
  for (const run of words) {
    if (!spaced && unspaced.test(run)) {
      for (const bigram of bigrams(run)) terms.push(bigram)
      continue
    }
    const term = termIn(run, language)
    if (term !== undefined) terms.push(term)
  }
  return terms
}

/** The words of a text as they are written, before stop words and stems: folded, cut at the apostrophe, and whether they begin with a capital. */
export function wordsOf(text: string, language: Language = 'en'): { folded: string; capital: boolean }[] {
  return [...plainOf(text).matchAll(word)].map(([run]) => ({ folded: baseOf(run.toLowerCase(), language), capital: /^\p{Lu}/u.test(run) }))
}

/**
 * What stands for a memory in the postings: the words of its text; each of its tags once, as `#tag`; and where its language is not English, a mark of that language, as often
 * as there are words, stop words too. `length` counts the terms of the text alone.
 */
export function termsOf({ text, language, tags }: { text: string; language?: string | null; tags: readonly string[] }): { counts: Map<string, number>; length: number } {
  const one = cut(text)
  const by = languageOf(one, language)
  const terms = termsOfCut(one, by)
  const counts = new Map<string, number>()
  for (const term of terms) counts.set(term, Math.min(mostCounted, (counts.get(term) ?? 0) + 1))
  if (by !== 'en' && one.words.length) counts.set(markOf(by), Math.min(mostCounted, one.words.length))
  for (const tag of tags) counts.set(`#${tag}`, 1)
  return { counts, length: terms.length }
}

/** Terms by the first revision's rules for English, whatever the text: of these the hash embedder's stored vectors are made. */
export function englishTerms(text: string): string[] {
  return (plainOf(text).toLowerCase().match(word) ?? []).flatMap((run) => {
    if (unspaced.test(run)) return bigrams(run)
    const base = (run.split("'", 1)[0] as string).slice(0, longestTerm)
    return isStopWord(base) ? [] : [accentedStem(base)]
  })
}
