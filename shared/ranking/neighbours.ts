import { window } from './parameters.ts'

/** Where a memory stands: memories of a session follow each other, whoever has none stands alone. */
export type Place = { session: string | null; speaker: string | null; asks: boolean }

const reach = window.earlier.length

/**
 * For memories in the order of their sessions: what each has of a term, by itself or by the best of its neighbours, never by their sum. The place right before
 * counts whole when somebody else asked there: an answer seldom repeats the words of its question.
 */
export function withNeighbours(own: Float64Array, places: readonly Place[]): Float64Array {
  const spread = own.slice()
  for (let j = 0; j < own.length; j++) {
    const value = own[j] as number
    const from = places[j] as Place
    if (!value || from.session === null) continue
    for (let d = 1; d <= reach; d++) {
      const later = places[j + d]
      if (later?.session === from.session) {
        const answers = d === 1 && from.asks && from.speaker !== later.speaker
        raise(spread, j + d, value * ((window.earlier[d - 1] as number) + (answers ? window.answer : 0)))
      }
      if (places[j - d]?.session === from.session) raise(spread, j - d, value * (window.later[d - 1] as number))
    }
  }
  return spread
}

function raise(values: Float64Array, at: number, to: number): void {
  if (to > (values[at] as number)) values[at] = to
}
