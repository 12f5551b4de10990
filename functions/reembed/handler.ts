import type { JobHandler } from '../../shared/handler/index.ts'
import { type ReembedDeps, reembed } from '../../shared/model/index.ts'

/** Makes the vectors that a model which is being introduced lacks, and removes those of one that was dropped. */
export function createReembed(deps: ReembedDeps): JobHandler {
  return (signal) => reembed(deps, signal)
}
