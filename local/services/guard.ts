import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Has a guard end its server and remove what it has written; it does so when its standard input is closed. */
export async function endGuard(guard: ChildProcess): Promise<void> {
  if (guard.exitCode !== null) return
  guard.stdin?.end()
  await once(guard, 'exit')
}
