import { armer, type ManifestRow } from '../functions/manifest.ts'
import type { Compute } from './context.ts'

export type Target = 'lambda' | 'task'

/** The rows that a stack has: where all rests, none that only a task can run, and one more, which arms what elsewhere ticks. */
export const rowsOf = (rows: readonly ManifestRow[], { rests }: { rests: boolean }): readonly ManifestRow[] =>
  rests ? [...rows.filter(({ hosts }) => hosts.includes('lambda')), armer] : rows

/**
 * Where a row runs. `mixed` scales requests to zero and keeps whatever works through a backlog out of Lambda's 15 minutes. What lists no lambda (a stream of
 * any length) or prefers a task is one in every stack that does not rest; a row that lists no task cannot be placed where functions are not wanted. @throws Error
 */
export function targetOf(row: ManifestRow, compute: Compute, { rests }: { rests: boolean } = { rests: false }): Target {
  if (row.prefers === 'task' && !rests) return 'task'
  const wanted = compute === 'mixed' ? (row.kind === 'http' ? 'lambda' : 'task') : compute === 'lambda' ? 'lambda' : 'task'
  if (row.hosts.includes(wanted)) return wanted
  if (wanted === 'lambda' && row.hosts.includes('task')) return 'task'
  throw new Error(
    `The handler ${row.name} may not run on ${wanted}: its row in functions/manifest.ts lists ${row.hosts.join(', ')}. Deploy with another -c compute, or add the host.`,
  )
}
