import type { Answer, Answers, Probe } from './probe.ts'

/** How answers compare: what is in both, of what is in the first; whether it is in the same order with the same scores. */
export type Comparison = { overlap: number; same: boolean }

/** Scores come from sums whose last digits depend on the engine. */
const tolerance = 1e-6

/** What a copy answered held against what a probe knows, of words and of meaning together. */
export function compare({ answers }: Pick<Probe, 'answers'>, copy: Answers): Comparison {
  const pairs: [Answer, Answer][] = [[answers.words, copy.words], ...(answers.meaning && copy.meaning ? [[answers.meaning, copy.meaning] as [Answer, Answer]] : [])]
  const known = pairs.flatMap(([expected]) => expected)
  const found = pairs.flatMap(([expected, got]) => expected.filter(([id, version]) => got.some((one) => one[0] === id && one[1] === version)))
  const same = pairs.every(([expected, got]) => isSame(expected, got)) && (answers.meaning === null) === (copy.meaning === null)
  return { overlap: known.length ? found.length / known.length : 1, same }
}

/** Equal scores may change places; where the last ones are equal, others with that score may stand there as well. */
function isSame(expected: Answer, got: Answer): boolean {
  if (expected.length !== got.length) return false
  const last = expected.at(-1)?.[2]
  return expected.every(([id, version, score], place) => {
    if (Math.abs((got[place] as Answer[number])[2] - score) > tolerance) return false
    if (got.some((one) => one[0] === id && one[1] === version && Math.abs(one[2] - score) <= tolerance)) return true
    return last !== undefined && Math.abs(score - last) <= tolerance
  })
}
