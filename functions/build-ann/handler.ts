import type { JobHandler } from '../../shared/handler/index.ts'
import { largeScope } from '../../shared/recall/index.ts'
import { buildAnn } from '../../shared/vector/index.ts'
import type { BuildAnnDeps } from './deps.ts'

/** Builds the HNSW index of each scope that has grown large enough to need one. */
export function createBuildAnn({ databases }: BuildAnnDeps): JobHandler {
  return (signal) => buildAnn(databases, largeScope, signal)
}
