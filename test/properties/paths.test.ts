import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cheapestPath, type Expand } from '../../shared/link/cheapest-path.ts'
import { cheapest, type Graph } from './graph.ts'

const numRuns = process.env.SOMA_FULL === '1' ? 100_000 : 10_000

// few memories and often few weights, so that ways of equal cost and of other lengths are common; some weights whose reciprocals have no end
const nodes = 9
const node = fc.noBias(fc.integer({ min: 0, max: nodes - 1 }))
const weights = fc.noBias(fc.constantFrom([1], [1, 0.5], [1, 2, 4], [0.25, 0.5, 1, 2, 4, 3, 7, 0.1, 1e6]))
const linksOf = (some: readonly number[]) =>
  fc.uniqueArray(
    fc.record({ from: node, to: node, type: fc.constantFrom('a', 'b'), weight: fc.noBias(fc.constantFrom(...some)) }).filter(({ from, to }) => from !== to),
    { minLength: 10, maxLength: 40, size: 'max', selector: ({ from, to, type }) => `${from} ${to} ${type}` },
  )
const graph: fc.Arbitrary<Graph> = fc.record({
  present: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: nodes, maxLength: nodes }).map((all) => all.map((one) => one > 0)),
  links: weights.chain(linksOf),
})

/** Reads of the graph what the database would give: links by the memory they leave, as many as are asked for. */
function expandOf({ present, links }: Graph, asked: { read: number }): Expand {
  return async (direction, from, most) => {
    const [at, next] = direction === 'forward' ? (['from', 'to'] as const) : (['to', 'from'] as const)
    const rows = from.flatMap(({ key, leastWeight }) => links.filter((one) => one[at] === key && one.weight >= leastWeight)).slice(0, most)
    asked.read += rows.length
    return { edges: rows.filter((one) => present[one[next]]).map((one) => ({ at: one[at], next: one[next], weight: one.weight, type: one.type })), read: rows.length }
  }
}

test('the search from both ends finds the path that a plain one finds, ties included', async () => {
  await fc.assert(
    fc.asyncProperty(graph, node, node, fc.integer({ min: 1, max: 6 }), async (drawn, from, to, maxHops) => {
      fc.pre(from !== to)
      const whole = { ...drawn, present: drawn.present.map((one, i) => one || i === from || i === to) }
      const expected = cheapest(whole, from, to, maxHops)
      const found = await cheapestPath(from, to, maxHops, expandOf(whole, { read: 0 }))
      expect(found && { nodes: [from, ...found.steps.map((step) => step.to)], types: found.steps.map((step) => step.type), cost: found.cost }).toEqual(expected)
    }),
    { numRuns },
  )
})

test('with any budget the search answers the cheapest path or gives up, and reads no more than the budget and one', async () => {
  let [answered, refused] = [0, 0]
  await fc.assert(
    fc.asyncProperty(graph, fc.integer({ min: 0, max: 30 }), async (drawn, budget) => {
      const whole = { ...drawn, present: drawn.present.map((one, i) => one || i === 0 || i === 1) }
      const asked = { read: 0 }
      try {
        const found = await cheapestPath(0, 1, 6, expandOf(whole, asked), budget)
        expect(found && [0, ...found.steps.map((step) => step.to)]).toEqual(cheapest(whole, 0, 1, 6)?.nodes)
        answered++
      } catch (error) {
        expect(error).toMatchObject({ code: 'invalid', message: expect.stringContaining(`more than ${budget} links`) })
        refused++
      }
      expect(asked.read).toBeLessThanOrEqual(budget + 1)
    }),
    { numRuns: numRuns / 10 },
  )
  expect(answered).toBeGreaterThan(50)
  expect(refused).toBeGreaterThan(50)
})

test('a wide end waits while the other comes to it: a hub of ten thousand links is not read for a path that leads past it', async () => {
  const hub: Graph = { present: Array.from({ length: 20_000 }, () => true), links: [] }
  for (let i = 10; i < 10_010; i++) hub.links.push({ from: 1, to: i, type: 'a', weight: 1 })
  for (const [from, to] of [
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 4],
  ] as const)
    hub.links.push({ from, to, type: 'a', weight: 1 })
  const asked = { read: 0 }
  const found = await cheapestPath(0, 4, 6, expandOf(hub, asked))
  expect(found).toMatchObject({ cost: 4, steps: [{ to: 1 }, { to: 2 }, { to: 3 }, { to: 4 }] })
  expect(asked.read).toBeLessThan(2_100)
})
