import type { RecordHandler } from '../../shared/handler/index.ts'
import { type IndexDeps, indexVectors } from '../../shared/vector/index.ts'

/** Embeds what new versions say and upserts their vectors under a version guard. */
export function createIndexVectors(deps: IndexDeps): RecordHandler {
  return (records) => indexVectors(deps, records)
}
