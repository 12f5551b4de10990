import { singly } from '../../shared/db/index.ts'
import { httpDeps, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'
import { readRoles } from '../../shared/vector/index.ts'

/** `model` is the one whose vectors are written out: that which recall searches. */
export type ExportDeps = HttpDeps & { model: () => Promise<{ model: string; dimension: number }> }
export function exportDeps(runtime: Runtime): ExportDeps {
  return {
    ...httpDeps(runtime),
    async model() {
      const roles = await readRoles(singly(runtime.databases.app, { role: 'soma_app', tenantId: null, readOnly: true }))
      return roles ? { model: roles.searched.name, dimension: roles.searched.dimension } : runtime.embedder
    },
  }
}
