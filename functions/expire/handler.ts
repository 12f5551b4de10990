import type { JobHandler } from '../../shared/handler/index.ts'
import { expireMemories } from '../../shared/memory/index.ts'
import type { ExpireDeps } from './deps.ts'

/** Moves what has expired to history; reads leave it out by themselves from its instant on. */
export function createExpire({ worker }: ExpireDeps): JobHandler {
  return (signal) => expireMemories(worker, signal)
}
