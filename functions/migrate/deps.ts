import type { Database } from '../../shared/db/index.ts'
import type { Runtime } from '../../shared/host/index.ts'

export type MigrateDeps = { owner: Database }
export const migrateDeps = ({ databases }: Runtime): MigrateDeps => ({ owner: databases.owner })
