/** Of the first `k` of two lists, the share that is in both: 1 when they hold the same, whatever their order. Two empty lists are the same. */
export function overlapAt(k: number, a: readonly string[], b: readonly string[]): number {
  const [first, second] = [new Set(a.slice(0, k)), new Set(b.slice(0, k))]
  const longer = Math.max(first.size, second.size)
  return longer === 0 ? 1 : first.intersection(second).size / longer
}

/** Spearman's rank correlation of what both lists hold, 1 - 6 Σd² / (n (n² - 1)), by its places among these: -1 to 1, null below two. */
export function rankCorrelation(a: readonly string[], b: readonly string[]): number | null {
  const common = a.filter((id) => b.includes(id))
  const n = common.length
  if (n < 2) return null
  const places = new Map(b.filter((id) => common.includes(id)).map((id, place) => [id, place]))
  const squares = common.reduce((sum, id, place) => sum + (place - (places.get(id) as number)) ** 2, 0)
  return 1 - (6 * squares) / (n * (n * n - 1))
}

/** The smallest number that a share `p` of the numbers does not exceed (nearest rank); 0 of none. */
export function percentile(p: number, numbers: readonly number[]): number {
  const sorted = numbers.toSorted((x, y) => x - y)
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? 0
}

export const mean = (numbers: readonly number[]): number | null => (numbers.length ? numbers.reduce((sum, one) => sum + one, 0) / numbers.length : null)
