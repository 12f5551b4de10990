import type { RecordHandler } from '../../shared/handler/index.ts'
import { indexVectors } from '../../shared/vector/index.ts'
import type { IndexVectorsDeps } from './deps.ts'

/** Embeds what new versions say and upserts their vectors under a version guard. */
export function createIndexVectors(deps: IndexVectorsDeps): RecordHandler {
  return async (records) => {
    const failures = await indexVectors(deps, records)
    deps.onConsumed(records.length)
    return failures
  }
}
