import { isStopWord, type Language, tokenize, wordsOf } from '../text/index.ts'
import type { Spelt } from './spelling.ts'

/** `terms` are those of names, which say who and not what: they are no words of the question. `speaker`: the one it names, when it names one only. */
export type Named = { terms: Set<string>; speaker: string | undefined }

const shortestPrefix = 3

/** Whom of these speakers the words of a question in these languages name: by a part of the name, or by its beginning when it is written with a capital ("Mel" for Melanie). */
export function namedIn(words: readonly Spelt[], speakers: Iterable<string>, languages: readonly Language[]): Named {
  const terms = new Set<string>()
  const named = new Set<string>()
  for (const speaker of speakers) {
    for (const language of languages) for (const term of tokenize(speaker, language)) terms.add(term)
    const parts = wordsOf(speaker).map(({ folded }) => folded)
    if (words.some((word) => parts.some((part) => isPartOf(word, part)))) named.add(speaker)
  }
  const [only, more] = named
  return { terms, speaker: more === undefined ? only : undefined }
}

function isPartOf({ folded, capital }: Spelt, part: string): boolean {
  if (folded === part) return !isStopWord(part)
  return capital && folded.length >= shortestPrefix && part.startsWith(folded) && !isStopWord(folded)
}
