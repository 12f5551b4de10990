/** Every number of the search and of the fusion of its arms; those of the ranking by words are in shared/ranking. */

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
