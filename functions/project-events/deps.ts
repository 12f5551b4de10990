import type { Runtime } from '../../shared/host/index.ts'
import type { ProjectDeps } from '../../shared/projection/index.ts'

export type ProjectEventsDeps = ProjectDeps & { onConsumed: (records: number) => void; onFailed: (records: number) => void }
export function projectEventsDeps({ databases, generation, metrics }: Runtime): ProjectEventsDeps {
  return {
    worker: databases.worker,
    generation,
    onConsumed: (records) => metrics.consumed.inc({ topic: 'memory.events' }, records),
    onFailed: (records) => metrics.consumeFailures.inc({ component: 'project-events' }, records),
  }
}
