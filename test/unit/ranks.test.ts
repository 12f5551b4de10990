import { expect, test } from 'vitest'
import { overlapAt, percentile, rankCorrelation } from '../../shared/model/ranks.ts'

test('overlap is the share of the first k that both lists hold, of the longer one', () => {
  expect(overlapAt(3, ['a', 'b', 'c'], ['c', 'a', 'b'])).toBe(1)
  expect(overlapAt(2, ['a', 'b', 'c'], ['c', 'a', 'b'])).toBe(0.5)
  expect(overlapAt(10, ['a', 'b'], ['a', 'x', 'y', 'z'])).toBe(0.25)
  expect(overlapAt(10, [], ['a'])).toBe(0)
  expect(overlapAt(10, [], [])).toBe(1)
})

test('rank correlation is 1 for the same order, -1 for the opposite one, by the places among what both hold', () => {
  expect(rankCorrelation(['a', 'b', 'c'], ['a', 'b', 'c'])).toBe(1)
  expect(rankCorrelation(['a', 'b', 'c'], ['c', 'b', 'a'])).toBe(-1)
  expect(rankCorrelation(['a', 'x', 'b', 'c'], ['y', 'b', 'a', 'z', 'c'])).toBe(0.5)
  expect(rankCorrelation(['a', 'x'], ['a', 'y'])).toBeNull()
})

test('a percentile is one of the numbers, by nearest rank', () => {
  expect(percentile(0.5, [3, 1, 2])).toBe(2)
  expect(
    percentile(
      0.95,
      Array.from({ length: 100 }, (_, i) => i + 1),
    ),
  ).toBe(95)
  expect(percentile(0.5, [])).toBe(0)
})
