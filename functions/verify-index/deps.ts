import type { Runtime } from '../../shared/host/index.ts'
import type { VerifyDeps } from '../../shared/model/index.ts'

export type VerifyIndexDeps = { verify: VerifyDeps; onChecked: (found: Record<string, unknown>) => void }
export const verifyIndexDeps = ({ databases, embedder, nextEmbedder, vectorEngine, log }: Runtime): VerifyIndexDeps => ({
  verify: {
    worker: databases.worker,
    embedder,
    next: nextEmbedder,
    engine: vectorEngine?.engine,
    repair: true,
    onRefused: ({ tenantId, memoryKey, model }, error) =>
      log.warn({ tenant_id: tenantId, memory_key: memoryKey, model, err: error }, 'an embedder does not take a text: it stays without a vector of that model'),
  },
  onChecked: (found) => log.info({ found }, 'the vectors were checked'),
})
