import type { Database } from '../../shared/db/index.ts'
import type { Runtime } from '../../shared/host/index.ts'
import type { VectorEngine } from '../../shared/vector/index.ts'

export type BuildAnnDeps = { databases: { worker: Database; owner: Database }; engine: VectorEngine | undefined; embedder: { model: string; dimension: number } }
export const buildAnnDeps = ({ databases, vectorEngine, embedder }: Runtime): BuildAnnDeps => ({ databases, engine: vectorEngine?.engine, embedder })
