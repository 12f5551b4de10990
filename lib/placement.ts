import type { ManifestRow } from '../functions/manifest.ts'
import type { Compute } from './context.ts'

export type Target = 'lambda' | 'task'

/** Where a row runs. `mixed` scales requests to zero and keeps whatever works through a backlog out of Lambda's 15 minutes. */
export function targetOf(row: ManifestRow, compute: Compute): Target {
  const target = compute === 'mixed' ? (row.kind === 'http' ? 'lambda' : 'task') : compute === 'lambda' ? 'lambda' : 'task'
  if (!row.hosts.includes(target)) {
    throw new Error(
      `The handler ${row.name} may not run on ${target}: its row in functions/manifest.ts lists ${row.hosts.join(', ')}. Deploy with another -c compute, or add the host.`,
    )
  }
  return target
}
