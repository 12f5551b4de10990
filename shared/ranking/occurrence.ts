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

/** What a term is in other languages of the scope, as which it counts whole; and where nothing has it, the words one edit away. */
export type Alternatives = { forms?: readonly string[] | undefined; edits?: ReadonlySet<string> | undefined }

/** The frequencies with each term's own: of all its forms together, as a memory is in one language. */
export function withForms({ memories, df }: Frequencies, forms: ReadonlyMap<string, readonly string[]>): Frequencies {
  if (!forms.size) return { memories, df }
  const sums = new Map(df)
  for (const [term, others] of forms)
    sums.set(
      term,
      [term, ...others].reduce((sum, one) => sum + (df.get(one) ?? 0), 0),
    )
  return { memories, df: sums }
}

/** What stands for a term of the question in the scope: itself and its forms, words with their beginning, or where nothing has it words one edit away. */
export function standsFor(term: string, word: string, { forms, edits }: Alternatives): boolean {
  if (word === term || forms?.includes(word)) return true
  if (edits) return edits.has(word)
  return beginsLike(term, word) || (forms?.some((form) => beginsLike(form, word)) ?? false)
}

function beginsLike(term: string, word: string): boolean {
  return term.length >= prefix.letters && word.length >= prefix.letters && word.slice(0, prefix.letters) === term.slice(0, prefix.letters)
}

/**
 * How much of each term each memory has, a list a term, from 0 to 1 + k1: tf·(1 + k1) / (tf + k1·max(1, len/100)) of the term itself or a form, or of the word that
 * stands for it best; such a word counts by its share, and not for more than the rarity of its own.
 */
export function occurrences(terms: readonly string[], memories: readonly (readonly Word[])[], frequencies: Frequencies, of: (term: string) => Alternatives): Float64Array[] {
  const found = terms.map(() => new Float64Array(memories.length))
  const known = terms.map((term) => ({ term, alternatives: of(term) }))
  // the same words stand in many memories
  const shares = new Map<string, number[]>()
  for (const [j, words] of memories.entries()) {
    for (const { term: word, tf, len } of words) {
      let each = shares.get(word)
      if (!each) {
        each = known.map(({ term, alternatives }) => shareOf(term, word, frequencies, alternatives))
        shares.set(word, each)
      }
      const saturated = (tf * (1 + bm25.k1)) / (tf + bm25.k1 * Math.max(1, len / bm25.longFrom))
      for (let t = 0; t < each.length; t++) {
        const values = found[t] as Float64Array
        values[j] = Math.max(values[j] as number, (each[t] as number) * saturated)
      }
    }
  }
  return found
}

/** What a word counts for a term: 1 when it is the term or a form of it, 0 when it does not stand for it. */
function shareOf(term: string, word: string, frequencies: Frequencies, alternatives: Alternatives): number {
  if (!standsFor(term, word, alternatives)) return 0
  if (word === term || alternatives.forms?.includes(word)) return 1
  return (alternatives.edits ? edit.share : prefix.share) * Math.min(1, idfOf(frequencies, word) / idfOf(frequencies, term))
}
