import type { Database } from '../../shared/db/index.ts'
import type { Runtime } from '../../shared/host/index.ts'

export type SweepDeps = { worker: Database }
export const sweepDeps = ({ databases }: Runtime): SweepDeps => ({ worker: databases.worker })
