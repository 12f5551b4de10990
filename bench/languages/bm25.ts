/** BM25 as it is in Lucene and its kind (Robertson & Zaragoza 2009; k1 1.2, b 0.75), over documents of terms: the places of those that have a term, the best first. */
export function plainBm25(documents: readonly string[][]): (query: readonly string[]) => number[] {
  const [k1, b] = [1.2, 0.75]
  const average = documents.reduce((sum, terms) => sum + terms.length, 0) / documents.length
  const postings = new Map<string, Map<number, number>>()
  for (const [place, terms] of documents.entries()) {
    for (const term of terms) {
      const held = postings.get(term) ?? new Map<number, number>()
      postings.set(term, held.set(place, (held.get(place) ?? 0) + 1))
    }
  }
  return (query) => {
    const scores = new Map<number, number>()
    for (const term of new Set(query)) {
      const held = postings.get(term) ?? new Map<number, number>()
      const idf = Math.log(1 + (documents.length - held.size + 0.5) / (held.size + 0.5))
      for (const [place, tf] of held) {
        const norm = k1 * (1 - b + (b * (documents[place] as string[]).length) / average)
        scores.set(place, (scores.get(place) ?? 0) + (idf * tf * (k1 + 1)) / (tf + norm))
      }
    }
    return [...scores].sort(([a, x], [c, y]) => y - x || a - c).map(([place]) => place)
  }
}
