import type { Database } from '../../shared/db/index.ts'
import type { Runtime } from '../../shared/host/index.ts'

export type RunOperationsDeps = { worker: Database }
export const runOperationsDeps = ({ databases }: Runtime): RunOperationsDeps => ({ worker: databases.worker })
