import { session } from './parameters.ts'

/**
 * BM25 of each session as one document: tf is in how many of its memories a term is, its length how many memories it has. `sessions` tells of each memory
 * where it belongs, `own` for each term how much each memory has of it.
 */
export function scoreSessions(sessions: readonly (string | null)[], own: readonly Float64Array[]): Map<string, number> {
  const lengths = new Map<string, number>()
  for (const one of sessions) if (one !== null) lengths.set(one, (lengths.get(one) ?? 0) + 1)
  const scores = new Map<string, number>()
  if (!lengths.size) return scores
  const average = [...lengths.values()].reduce((sum, length) => sum + length, 0) / lengths.size
  for (const values of own) {
    const tf = new Map<string, number>()
    for (const [j, one] of sessions.entries()) if (one !== null && values[j]) tf.set(one, (tf.get(one) ?? 0) + 1)
    const idf = Math.log(1 + (lengths.size - tf.size + 0.5) / (tf.size + 0.5))
    for (const [one, count] of tf) {
      const length = (lengths.get(one) as number) / average
      const norm = session.k1 * (1 - session.b + session.b * length)
      scores.set(one, (scores.get(one) ?? 0) + (idf * count * (session.k1 + 1)) / (count + norm))
    }
  }
  return scores
}
