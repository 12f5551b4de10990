import type { Runtime } from '../../shared/host/index.ts'
import type { ReembedDeps } from '../../shared/model/index.ts'

export const reembedDeps = ({ databases, config, embedder, nextEmbedder, vectorEngine, log }: Runtime): ReembedDeps => ({
  worker: databases.worker,
  embedder,
  next: nextEmbedder,
  engine: vectorEngine?.engine,
  perSecond: config.REEMBED_PER_SECOND,
  onRefused: ({ tenantId, memoryKey, model }, error) =>
    log.warn({ tenant_id: tenantId, memory_key: memoryKey, model, err: error }, 'an embedder does not take a text: it stays without a vector of that model'),
})
