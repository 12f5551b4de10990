import type { JobHandler } from '../../shared/handler/index.ts'
import { forgetWork } from '../../shared/memory/index.ts'
import { runOperations } from '../../shared/operation/index.ts'
import type { RunOperationsDeps } from './deps.ts'

/** Takes what goes on after its answer to its end. */
export function createRunOperations({ worker }: RunOperationsDeps): JobHandler {
  return (signal) => runOperations(worker, { forget: forgetWork }, signal)
}
