import type { Database } from '../../shared/db/index.ts'
import type { Runtime } from '../../shared/host/index.ts'

export type RecountWordsDeps = { worker: Database }
export const recountWordsDeps = ({ databases }: Runtime): RecountWordsDeps => ({ worker: databases.worker })
