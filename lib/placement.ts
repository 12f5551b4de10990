import type { ManifestRow } from '../functions/manifest.ts'
import type { Compute } from './context.ts'

export type Target = 'lambda' | 'task'

/**
 * Where a row runs. `mixed` scales requests to zero and keeps whatever works through a backlog out of Lambda's 15 minutes. What lists no lambda (a stream of
 * any length) is a task in every stack; a row that lists no task cannot be placed where functions are not wanted. @throws Error
 */
export function targetOf(row: ManifestRow, compute: Compute): Target {
  const wanted = compute === 'mixed' ? (row.kind === 'http' ? 'lambda' : 'task') : compute === 'lambda' ? 'lambda' : 'task'
  if (row.hosts.includes(wanted)) return wanted
  if (wanted === 'lambda' && row.hosts.includes('task')) return 'task'
  throw new Error(
    `The handler ${row.name} may not run on ${wanted}: its row in functions/manifest.ts lists ${row.hosts.join(', ')}. Deploy with another -c compute, or add the host.`,
  )
}
