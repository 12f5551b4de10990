import type { Sql } from '../../db/index.ts'
import type { WorkKind } from '../../operation/index.ts'
import { AppError } from '../../problem/index.ts'
import type { Ctx } from '../../tenant/index.ts'
import { mostOpen } from './objects.ts'

/** One tenant's transfers take room and turns of all: there are never more than `mostOpen` of a kind. @throws AppError conflict */
export async function refuseMany(tx: Sql, { tenantId }: Pick<Ctx, 'tenantId'>, kind: WorkKind): Promise<void> {
  // until the end of this transaction nobody else of the tenant counts
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('soma ${kind} ' || current_schema() || ' ' || $1::integer, 21))`, [tenantId])
  const [row] = await tx.query<{ open: number }>(
    `select count(*)::integer as open from operations o where o.tenant_id = $1::integer and o.kind = $2::text and o.state in ('waiting', 'pending', 'running')`,
    [tenantId, kind],
  )
  if ((row?.open ?? 0) >= mostOpen) throw new AppError('conflict', `There are ${mostOpen} ${kind}s under way already: wait until one has ended.`)
}
