import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { coverOf, graphName, mergeOf, rangeOf } from '../../shared/vector/graphs.ts'

const range = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 30 })).map(([from, length]) => ({ from, to: from + length }))

describe('graphs of a scope by ranges of keys', () => {
  test('every key is in one chosen graph or in one range that none holds', () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), (graphs) => {
        const { chosen, rest } = coverOf(graphs)
        for (let key = 0; key < 100; key++) expect([...chosen, ...rest].filter(({ from, to }) => from <= key && key < to)).toHaveLength(1)
        for (const one of chosen) expect(graphs).toContainEqual(one)
        expect(rest.at(-1)?.to).toBe(Number.POSITIVE_INFINITY)
      }),
    )
  })

  test('one that is built in place of several is taken as soon as it is there', () => {
    const parts = [
      { from: 0, to: 40 },
      { from: 40, to: 50 },
      { from: 50, to: 60 },
    ]
    expect(coverOf([...parts, { from: 40, to: 60 }]).chosen).toEqual([
      { from: 0, to: 40 },
      { from: 40, to: 60 },
    ])
    expect(coverOf([...parts, { from: 0, to: 60 }])).toEqual({ chosen: [{ from: 0, to: 60 }], rest: [{ from: 60, to: Number.POSITIVE_INFINITY }] })
  })

  test('there are logarithmically many as long as they may grow, and twice as many as needed beyond; none is larger than it may be; a vector is built into few', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 10, max: 60 }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(1, 2, 3),
        fc.constantFrom(200, 1_000, 100_000),
        (arriving, growth, most) => {
          let parts: { vectors: number }[] = []
          let built = 0
          for (const vectors of arriving) {
            parts.push({ vectors })
            const run = mergeOf(parts, { growth, most }) ?? parts.slice(-1)
            const together = { vectors: run.reduce((sum, part) => sum + part.vectors, 0) }
            built += together.vectors
            parts = [...parts.slice(0, parts.length - run.length), together]
          }
          const total = arriving.reduce((sum, one) => sum + one, 0)
          const levels = Math.log(Math.min(total, most) / 10) / Math.log(1 + growth) + 1
          expect(parts.reduce((sum, part) => sum + part.vectors, 0)).toBe(total)
          expect(Math.max(...parts.map(({ vectors }) => vectors))).toBeLessThanOrEqual(Math.max(most, ...arriving))
          expect(parts.length).toBeLessThanOrEqual((3 * total) / most + levels * (6 * growth + 1))
          expect(built / total).toBeLessThanOrEqual(levels + 3)
        },
      ),
    )
    const count = (most: number) => {
      let parts: { vectors: number }[] = []
      for (let i = 0; i < 100; i++) {
        parts.push({ vectors: 10_000 })
        const run = mergeOf(parts, { growth: 3, most })
        if (run) parts = [...parts.slice(0, parts.length - run.length), { vectors: run.reduce((sum, part) => sum + part.vectors, 0) }]
      }
      return parts.length
    }
    expect([count(100_000), count(390_625), count(2_000_000)]).toEqual([13, 4, 4])
  })

  test('a graph that would be too large is not made', () => {
    const parts = [{ vectors: 50 }, { vectors: 50 }, { vectors: 50 }, { vectors: 50 }]
    expect(mergeOf(parts, { growth: 3, most: 200 })).toHaveLength(4)
    expect(mergeOf(parts, { growth: 3, most: 199 })).toHaveLength(3)
    expect(mergeOf(parts, { growth: 3, most: 99 })).toBeUndefined()
  })

  test('a name says the range, and fits into a name of PostgreSQL', () => {
    const place = { tenantId: 2 ** 31 - 1, namespaceKey: 2 ** 31 - 1, modelKey: 2 ** 15 - 1 }
    const widest = { from: Number.MAX_SAFE_INTEGER - 1, to: Number.MAX_SAFE_INTEGER }
    expect(rangeOf(graphName(place, widest))).toEqual(widest)
    expect(graphName(place, widest).length).toBeLessThanOrEqual(63)
    // an older version had one over everything
    const all = { from: 0, to: Number.POSITIVE_INFINITY }
    expect(rangeOf('vectors_ann_12_3_1')).toEqual(all)
    expect(coverOf([all, { from: 0, to: 5 }])).toEqual({ chosen: [all], rest: [] })
  })
})
