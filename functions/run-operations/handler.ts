import type { JobHandler } from '../../shared/handler/index.ts'
import { forgetWork } from '../../shared/memory/index.ts'
import { runOperations, within } from '../../shared/operation/index.ts'
import { exportWork, importWork } from '../../shared/transfer/index.ts'
import type { RunOperationsDeps } from './deps.ts'

/** Takes what goes on after its answer to its end. What it forgot or stored is published by the drain, which is woken at the end. */
export function createRunOperations({ worker, transfers: store, models, limits, wakeDrain, wakesSent }: RunOperationsDeps): JobHandler {
  const works = { forget: within(forgetWork), export: exportWork({ worker, store, limits }), import: importWork({ worker, store, models, limits }) }
  return async (signal) => {
    try {
      return await runOperations(worker, works, signal, wakeDrain)
    } finally {
      await wakesSent()
    }
  }
}
