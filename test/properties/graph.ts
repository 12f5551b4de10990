/** A graph kept in memory, and what neighbours and cheapest paths are on it, written plainly: the product searches it in a database. */
export type Link = { from: number; to: number; type: string; weight: number }
/** Memories are numbered by their age; what is not present is no memory for a walk. */
export type Graph = { present: boolean[]; links: Link[] }
type Way = { cost: number; nodes: number[]; types: string[] }

const cost = (weight: number) => Math.round(1e9 / weight)
const texts = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Cheaper first, then fewer links, then earlier memories step by step, then types. */
function compare(a: Way, b: Way): number {
  const order = a.cost - b.cost || a.nodes.length - b.nodes.length
  if (order) return order
  for (const [i, node] of a.nodes.entries()) {
    const next = node - (b.nodes[i] as number) || texts(a.types[i - 1] ?? '', b.types[i - 1] ?? '')
    if (next) return next
  }
  return 0
}

/** Bellman and Ford, level by level: the best way to each memory in at most so many links. */
export function cheapest({ present, links }: Graph, from: number, to: number, maxHops: number, type?: string): { nodes: number[]; types: string[]; cost: number } | undefined {
  const usable = links.filter((link) => present[link.from] && present[link.to] && (type === undefined || link.type === type))
  let best = new Map<number, Way>([[from, { cost: 0, nodes: [from], types: [] }]])
  for (let hop = 0; hop < maxHops; hop++) {
    const next = new Map(best)
    for (const link of usable) {
      const way = best.get(link.from)
      if (!way) continue
      const longer = { cost: way.cost + cost(link.weight), nodes: [...way.nodes, link.to], types: [...way.types, link.type] }
      const known = next.get(link.to)
      if (!known || compare(longer, known) < 0) next.set(link.to, longer)
    }
    best = next
  }
  const way = best.get(to)
  return way && { nodes: way.nodes, types: way.types, cost: way.cost / 1e9 }
}

export type Reached = { node: number; hops: number; link: Link }
type Query = { hops: number; limit: number; direction: 'out' | 'in' | 'both'; type?: string | undefined }

/** Breadth first; of a hop the strongest links first, then the earlier memories. */
export function around({ present, links }: Graph, start: number, { hops, limit, direction, type }: Query): Reached[] {
  const usable = links.filter((link) => type === undefined || link.type === type)
  const arms = usable.flatMap((link) => [
    ...(direction === 'in' ? [] : [{ at: link.from, node: link.to, link }]),
    ...(direction === 'out' ? [] : [{ at: link.to, node: link.from, link }]),
  ])
  const found: Reached[] = []
  let frontier = [start]
  for (let hop = 1; hop <= hops && found.length < limit; hop++) {
    const seen = new Set([start, ...found.map((one) => one.node)])
    const candidates = arms
      .filter(({ at, node }) => frontier.includes(at) && present[node] && !seen.has(node))
      .sort((a, b) => b.link.weight - a.link.weight || a.node - b.node || a.at - b.at || a.link.from - b.link.from || texts(a.link.type, b.link.type))
    const once = candidates.filter((one, i) => candidates.findIndex((other) => other.node === one.node) === i).slice(0, limit - found.length)
    found.push(...once.map(({ node, link }) => ({ node, hops: hop, link })))
    frontier = once.map((one) => one.node)
  }
  return found
}
