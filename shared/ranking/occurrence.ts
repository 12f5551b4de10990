import { bm25, edit, prefix } from './parameters.ts'

/** A word of a memory: a term of its postings, how often it is there, and how many words the memory has in all. */
export type Word = { term: string; tf: number; len: number }

/** How many memories of a scope there are, and in how many of them a term is. */
export type Frequencies = { memories: number; df: ReadonlyMap<string, number> }

/** idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5)) (Robertson & Zaragoza 2009, in the form that is never negative) */
export function idfOf({ memories, df }: Frequencies, term: string): number {
  const held = df.get(term) ?? 0
  return Math.log(1 + (Math.max(memories, held) - held + 0.5) / (held + 0.5))
}

/** What stands for a term of the question in the scope: itself, words with its beginning, or where nothing has it words one edit away. */
export function standsFor(term: string, word: string, edits: ReadonlySet<string> | undefined): boolean {
  if (word === term) return true
  if (edits) return edits.has(word)
  return term.length >= prefix.letters && word.length >= prefix.letters && word.slice(0, prefix.letters) === term.slice(0, prefix.letters)
}

/**
 * How much of each term a memory has, from 0 to 1 + k1: tf·(1 + k1) / (tf + k1·max(1, len/100)) of the term itself, or of the word that stands for it best; such
 * a word counts by its share, and not for more than the rarity of its own.
 */
export function occurrence(term: string, words: readonly Word[], frequencies: Frequencies, edits: ReadonlySet<string> | undefined): number {
  let most = 0
  for (const { term: word, tf, len } of words) {
    if (!standsFor(term, word, edits)) continue
    const saturated = (tf * (1 + bm25.k1)) / (tf + bm25.k1 * Math.max(1, len / bm25.longFrom))
    const share = word === term ? 1 : (edits ? edit.share : prefix.share) * Math.min(1, idfOf(frequencies, word) / idfOf(frequencies, term))
    most = Math.max(most, share * saturated)
  }
  return most
}
