import type { Database } from '../../shared/db/index.ts'
import type { Runtime } from '../../shared/host/index.ts'

export type RollupUsageDeps = { worker: Database }
export const rollupUsageDeps = ({ databases }: Runtime): RollupUsageDeps => ({ worker: databases.worker })
