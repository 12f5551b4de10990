/** Every number the ranking uses, in one place. */

/** BM25 (Robertson & Zaragoza 2009) with k1 = 0.3 and no length normalisation up to 100 terms: a memory is not worse for being longer than another. Beyond, a term's frequency is damped by the length. */
export const bm25 = { k1: 0.3, b: 0, longFrom: 100 } as const

/** How much the cosine counts beside the lexical share, by embedding model; `default` is for a real embedding model. */
export const semanticWeight: Record<string, number> = { 'hash-trigram-1': 0.05, default: 0.5 }

/** Candidates that each arm may bring. */
export const candidates = { lexical: 300, nearest: 100 } as const

/** From this many memories a scope is searched by its HNSW index, below it exactly. */
export const largeScope = 20_000
/** Parameters of the HNSW scan: breadth, and how many tuples an iterative scan may visit before it gives up. */
export const hnsw = { efSearch: 100, maxScanTuples: 40_000 } as const

/** Un-indexed memories that a recall embeds itself (read your writes). */
export const tailSize = 200

/** Days after which recency has fallen to 1/e. */
export const recencyDays = 30
