import { migrate } from '../../shared/db/index.ts'
import type { JobHandler } from '../../shared/handler/index.ts'
import type { MigrateDeps } from './deps.ts'

/** Brings the schema to the version of this code. */
export function createMigrate({ owner }: MigrateDeps): JobHandler {
  return async () => {
    const { from, to } = await migrate(owner)
    return { done: to - from, remaining: false, detail: { from, to } }
  }
}
