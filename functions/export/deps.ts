import { exportedModel, httpDeps, type Runtime, transferDeps } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'
import type { Model, Store } from '../../shared/transfer/index.ts'

/** `model` is the one whose vectors are written out: that which recall searches. */
export type ExportDeps = HttpDeps & { model: () => Promise<Model>; transfers: Store }
export const exportDeps = (runtime: Runtime): ExportDeps => ({ ...httpDeps(runtime), ...transferDeps(runtime), model: exportedModel(runtime) })
