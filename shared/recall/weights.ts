import { baseModel } from '../embed/index.ts'

/** Every number of the search and of the fusion of its arms; those of the ranking by words are in shared/ranking. */

/**
 * How much the cosine counts beside the words, both in standard deviations, by embedding model. `default` is for a real embedding model. The trigrams of the hash
 * embedder tell nothing that the words do not tell better (measured: 0.1 points of recall@10 on one set, less than nothing on another), so a hybrid recall does not ask it.
 */
const semanticWeights: Record<string, number> = { 'hash-trigram-1': 0 }
const usualWeight = 0.5
export const semanticWeight = (model: string): number => semanticWeights[baseModel(model)] ?? usualWeight

/**
 * Candidates that each arm may bring. `withCommon`: of the memories with a rare word so many, whose common words are looked up then, compete for the places of the words. `withNeighbours`: of those of the words the best, whose neighbours in the session are looked at. Measured: 150 are as good as all,
 * 60 lose 0.2 points of recall@10.
 */
export const candidates = { lexical: 300, withCommon: 600, withNeighbours: 150, nearest: 100 } as const

/** From this many memories a scope is searched by its HNSW graphs, below it exactly. */
export const largeScope = 20_000
/**
 * Parameters of the HNSW scan: breadth of the search in all graphs of a scope together, the least in one of them, and how many tuples an iterative scan may visit before it gives up. Measured (as `bench -- breadth` does) on 59,000
 * texts by MiniLM: 200 in one graph, 60 in three, six or twelve find 0.992 to 0.999 of the ten nearest; 200 in each of twelve cost 2.7 times as much as 60.
 */
export const hnsw = { breadth: 200, leastBreadth: 60, maxScanTuples: 40_000 } as const

/** What a vector engine is asked for: so many places at first, four times as many while its candidates do not fulfil the conditions, and these at most. */
export const engineLimits = { first: 200, factor: 4, most: 12_800 } as const

/** Un-indexed memories that a recall embeds itself (read your writes). */
export const tailSize = 200

/** Days after which recency has fallen to 1/e. */
export const recencyDays = 30
