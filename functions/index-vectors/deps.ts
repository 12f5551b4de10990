import type { Runtime } from '../../shared/host/index.ts'
import type { IndexDeps } from '../../shared/vector/index.ts'

export type IndexVectorsDeps = IndexDeps & { onConsumed: (records: number) => void }
export function indexVectorsDeps({ databases, embedder, nextEmbedder, vectorEngine, generation, metrics, log }: Runtime): IndexVectorsDeps {
  return {
    worker: databases.worker,
    embedder,
    next: nextEmbedder,
    engine: vectorEngine?.engine,
    generation,
    onConsumed: (records) => metrics.consumed.inc({ topic: 'memory.events' }, records),
    onIndexed: (seconds) => metrics.indexLag.set(seconds),
    onFailure: () => {
      metrics.vectorFailures.inc()
      metrics.consumeFailures.inc({ component: 'index-vectors' })
    },
    onBesideFailure: (error) => log.warn({ err: error }, 'the embedding model beside the one that is searched cannot be used; the job reembed makes up for it'),
  }
}
