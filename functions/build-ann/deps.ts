import type { Database } from '../../shared/db/index.ts'
import type { Runtime } from '../../shared/host/index.ts'

export type BuildAnnDeps = { databases: { worker: Database; owner: Database } }
export const buildAnnDeps = ({ databases }: Runtime): BuildAnnDeps => ({ databases })
