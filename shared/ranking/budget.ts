/** How many words of memories may be read to choose candidates: this share of the scope, and always so many. */
const share = 0.08
const least = 20_000

/** Terms whose memories are candidates, and terms that only count in the score of those: too many have them. `cut`: so many rows at most, as the rarest has more. */
export type Budgeted = { selecting: string[]; common: string[]; cut: number | undefined }

/**
 * The rarest terms whose memories fit into the budget; the others tell little, as their idf is low. `known` holds in how many memories common terms are; what is
 * not in it is rare. The rarest term always selects.
 */
export function withinBudget(terms: readonly string[], known: ReadonlyMap<string, number>, memories: number): Budgeted {
  const budget = Math.max(least, share * memories)
  const byRarity = [...terms].sort((a, b) => (known.get(a) ?? 0) - (known.get(b) ?? 0))
  const selecting: string[] = []
  let sum = 0
  for (const term of byRarity) {
    sum += known.get(term) ?? 0
    if (sum > budget && selecting.length) break
    selecting.push(term)
  }
  const rarest = known.get(selecting[0] ?? '') ?? 0
  return { selecting, common: byRarity.slice(selecting.length), cut: rarest > budget ? Math.ceil(budget) : undefined }
}
