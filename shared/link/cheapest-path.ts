import { AppError } from '../problem/index.ts'

/**
 * What a link costs, in billionths: 1 / weight, rounded. Whole numbers add up without an error, so equal costs are ties, whichever end they were
 * added from; the cap keeps a weight next to zero from becoming infinite.
 */
export function costOf(weight: number): number {
  return Math.max(1, Math.min(Math.round(1e9 / weight), 1e300))
}
/** The smallest weight (and a little below it) of a link that costs at most so much. */
const leastWeight = (cost: number) => 1e9 / (cost + 1)

/** A link seen from the memory `at` that is being left, in the direction of the search. */
export type Edge = { at: number; next: number; weight: number; type: string }
/** Reads at most `most` links that leave these memories (backward: that lead to them), each of at least a weight; `read` counts what was looked at. */
export type Expand = (direction: 'forward' | 'backward', from: { key: number; leastWeight: number }[], most: number) => Promise<{ edges: Edge[]; read: number }>
export type PathStep = { from: number; to: number; type: string }

/** Links that one search looks at before it gives up. */
export const linkBudget = 250_000
/** Beyond this the other end is tried first: it may lead to the same place with less to read. */
const wideFrom = 2_000

/** The cheapest way to a memory in `hops` links: from the start, or backward to the end. Never changed, so its `prev` stay what they were. */
type Label = { key: number; cost: number; hops: number; prev: Label | undefined; type: string }
type Side = { direction: 'forward' | 'backward'; labels: Map<number, Label>; frontier: Label[]; hops: number; wide: boolean }

/**
 * The cheapest path of 1 to `maxHops` links between two different memories; of equally cheap ones that with fewer links, then that of the earlier
 * memories. Level by level from both ends, as Bellman and Ford relax: after i + j levels every path of i + j links is known. A level keeps only what
 * can still be on a cheaper path: its cost, that of the link and the cheapest of the other end's frontier together stay below the best that was found
 * (what is found later at the same cost has more links).
 * @throws AppError invalid when the budget is used up: never a path that might not be the cheapest
 */
export async function cheapestPath(start: number, end: number, maxHops: number, expand: Expand, budget = linkBudget): Promise<{ steps: PathStep[]; cost: number } | undefined> {
  const forward = sideOf('forward', start)
  const backward = sideOf('backward', end)
  let best: Meeting | undefined
  let left = budget
  while (forward.hops + backward.hops < maxHops) {
    const here = chooseSide(forward, backward)
    const other = here === forward ? backward : forward
    const most = best?.cost ?? Number.POSITIVE_INFINITY
    const reach = other.frontier.reduce((least, label) => Math.min(least, label.cost), Number.POSITIVE_INFINITY)
    const leaving = here.frontier.filter((label) => label.cost + reach < most)
    if (!leaving.length) break
    const limit = here.wide ? left : Math.min(left, wideFrom)
    const asked = leaving.map((label) => ({ key: label.key, leastWeight: leastWeight(most - label.cost - reach - 1) }))
    const { edges, read } = await expand(here.direction, asked, limit + 1)
    if (read > left) throw exhausted(budget)
    left -= read
    if (read > limit) {
      here.wide = true
      continue
    }
    const frontier = relax(here, leaving, edges, most - reach)
    Object.assign(here, { frontier, hops: here.hops + 1, wide: false })
    for (const label of frontier) {
      here.labels.set(label.key, label)
      const met = other.labels.get(label.key)
      const meeting = met && (here === forward ? meet(label, met) : meet(met, label))
      if (meeting && (!best || compareMeetings(meeting, best) < 0)) best = meeting
    }
  }
  return best && { steps: stepsOf(best), cost: best.cost / 1e9 }
}

const sideOf = (direction: Side['direction'], key: number): Side => {
  const label: Label = { key, cost: 0, hops: 0, prev: undefined, type: '' }
  return { direction, labels: new Map([[key, label]]), frontier: [label], hops: 0, wide: false }
}

function chooseSide(forward: Side, backward: Side): Side {
  if (forward.wide !== backward.wide) return forward.wide ? backward : forward
  return forward.frontier.length <= backward.frontier.length ? forward : backward
}

/** The labels that one more link makes or makes cheaper. */
function relax({ direction, labels }: Side, leaving: Label[], edges: Edge[], most: number): Label[] {
  const byKey = new Map(leaving.map((label) => [label.key, label]))
  const fresh = new Map<number, Label>()
  for (const { at, next, weight, type } of edges) {
    const prev = byKey.get(at) as Label
    const label: Label = { key: next, cost: prev.cost + costOf(weight), hops: prev.hops + 1, prev, type }
    if (label.cost >= most) continue
    // what was there before has fewer links
    if ((labels.get(next)?.cost ?? Number.POSITIVE_INFINITY) <= label.cost) continue
    const rival = fresh.get(next)
    if (!rival || label.cost < rival.cost || (label.cost === rival.cost && compareWays(direction, label, rival) < 0)) fresh.set(next, label)
  }
  return [...fresh.values()]
}

/** Two ways of as many links, memory by memory from the start of the path on, earlier ones first; then by the types of their links. */
function compareWays(direction: Side['direction'], a: Label, b: Label): number {
  if (a === b || !a.prev || !b.prev) return 0
  if (direction === 'forward') return compareWays(direction, a.prev, b.prev) || a.key - b.key || compareTexts(a.type, b.type)
  return a.prev.key - b.prev.key || compareTexts(a.type, b.type) || compareWays(direction, a.prev, b.prev)
}
const compareTexts = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

type Meeting = { forward: Label; backward: Label; cost: number; hops: number }
const meet = (forward: Label, backward: Label): Meeting => ({ forward, backward, cost: forward.cost + backward.cost, hops: forward.hops + backward.hops })

function compareMeetings(a: Meeting, b: Meeting): number {
  if (a.cost !== b.cost || a.hops !== b.hops) return a.cost - b.cost || a.hops - b.hops
  const [ours, theirs] = [stepsOf(a), stepsOf(b)]
  for (const [i, one] of ours.entries()) {
    const two = theirs[i] as PathStep
    const order = one.to - two.to || compareTexts(one.type, two.type)
    if (order) return order
  }
  return 0
}

function stepsOf({ forward, backward }: Meeting): PathStep[] {
  const steps: PathStep[] = []
  for (let label = forward; label.prev; label = label.prev) steps.unshift({ from: label.prev.key, to: label.key, type: label.type })
  for (let label = backward; label.prev; label = label.prev) steps.push({ from: label.key, to: label.prev.key, type: label.type })
  return steps
}

function exhausted(budget: number): AppError {
  const detail = `more than ${budget} links would have to be looked at: give a type, or a smaller max_hops`
  return new AppError('invalid', `The search was ended: ${detail}.`, { errors: [{ pointer: '/max_hops', detail }] })
}
