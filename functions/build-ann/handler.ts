import type { JobHandler } from '../../shared/handler/index.ts'
import { largeScope } from '../../shared/recall/index.ts'
import { buildAnn, buildCollections, modelsInUse } from '../../shared/vector/index.ts'
import type { BuildAnnDeps } from './deps.ts'

/** Builds the HNSW graphs of each scope that has grown large enough to need some; with a second vector engine, the collections of its own. */
export function createBuildAnn({ databases, engine, embedder }: BuildAnnDeps): JobHandler {
  return async (signal) => {
    if (!engine) return buildAnn(databases, largeScope, signal)
    const { worker } = databases
    const report = await buildCollections({ worker, engine, models: await modelsInUse(worker, embedder) }, signal)
    return { ...report, detail: { skipped: 'VECTOR_ENGINE is milvus: Postgres gets no HNSW index, the collections of Milvus are looked after instead' } }
  }
}
