import type { Runtime } from '../../shared/host/index.ts'
import type { IndexDeps } from '../../shared/vector/index.ts'

export function indexVectorsDeps({ databases, embedder, generation, metrics }: Runtime): IndexDeps {
  return {
    worker: databases.worker,
    embedder,
    generation,
    onIndexed: (seconds) => metrics.indexLag.set(seconds),
    onFailure: () => {
      metrics.vectorFailures.inc()
      metrics.consumeFailures.inc({ component: 'index-vectors' })
    },
  }
}
