import type { Connection } from './connect.ts'
import type { Globals } from './globals.ts'
import { remark } from './output.ts'

/** No server goes on after this process, so what was changed is published and indexed before it ends. What this leaves undone, the next drain does. */
export async function publish({ local }: Connection, globals: Globals): Promise<void> {
  const report = await local?.runJob('drain-outbox', AbortSignal.timeout(30_000)).catch((error: Error) => {
    remark(globals, `It is done and recall knows it, but publishing it failed: ${error.message}. \`soma drain\` tries again.`)
  })
  if (report?.remaining) remark(globals, 'It is done and recall knows it; publishing it goes on with `soma drain` or the next start.')
}
