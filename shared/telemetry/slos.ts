/** A promise to callers: the share of requests that are not answered 5xx, and the share that are answered within so many seconds, of those to some endpoints. */
export type Slo = { name: 'store' | 'recall'; endpoints: readonly string[]; available: number; fast: number; withinSeconds: number; runbook: string }

/** `withinSeconds` is a bucket of the histogram api_request_latency_seconds. */
export const slos: readonly Slo[] = [
  {
    name: 'store',
    endpoints: ['/v1/memories', '/v1/memories/bulk', '/store', '/store_bulk', '/memories'],
    available: 0.999,
    fast: 0.95,
    withinSeconds: 0.75,
    runbook: 'stores-or-recalls-fail-or-are-slow',
  },
  {
    name: 'recall',
    endpoints: ['/v1/recall', '/recall', '/recall_batch', '/recall_with_scores', '/hybrid_recall_with_scores', '/keyword_search', '/recall_with_context', '/memories/search'],
    available: 0.999,
    fast: 0.95,
    withinSeconds: 0.5,
    runbook: 'stores-or-recalls-fail-or-are-slow',
  },
]
/** A store or a recall is asked by one of these; other methods of the same paths are something else. */
export const sloMethods: readonly string[] = ['GET', 'POST']
