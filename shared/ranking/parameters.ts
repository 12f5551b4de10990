/** Every number the ranking of words uses. They were chosen on dialogues, together: docs/recall.md has what each brings. */

/** BM25 (Robertson & Zaragoza 2009) without length normalisation up to 100 terms: a memory is not worse for being longer than another. Beyond, a term's frequency is damped by the length. */
export const bm25 = { k1: 0.3, longFrom: 100 } as const

/** Terms that share so many first letters with a term of the question count for it, at most by this share. */
export const prefix = { letters: 4, share: 0.5 } as const
/** A term one edit away from one that nothing in the scope has. */
export const edit = { shortest: 4, share: 0.8 } as const

/** What a term counts that stands 1, 2, … places earlier or later in the session; and what is added for the place before when somebody else asked there. */
export const window = { earlier: [0.6, 0.36, 0.22, 0.13], later: [0.4, 0.28, 0.2, 0.14], answer: 0.4 } as const

/** BM25 over sessions as documents, and its weight. All memories of the `whole` best sessions are looked at. */
export const session = { k1: 1.2, b: 0.75, weight: 0.5, whole: 3 } as const

/** In units of idf: the memory's speaker is the one the question names; its day is the one the question names; the question asks when and the memory tells of time. */
export const boost = { speaker: 2, date: 6, when: 1.5 } as const

/** Days in which a date's closeness falls to 1/e: for what is told after it and before it. Below `least` it counts for nothing. */
export const closeness = { afterDays: 10, beforeDays: 3, least: 0.05 } as const
