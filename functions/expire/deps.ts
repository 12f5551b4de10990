import type { Database } from '../../shared/db/index.ts'
import type { Runtime } from '../../shared/host/index.ts'

export type ExpireDeps = { worker: Database }
export const expireDeps = ({ databases }: Runtime): ExpireDeps => ({ worker: databases.worker })
