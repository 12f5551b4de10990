import { type Call, finishedCall, requestHash } from '../memory/index.ts'
import { AppError } from '../problem/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { recordChange } from './record-change.ts'
import { assertEndsWithin, linkId, selectLink } from './rows.ts'

/** Removes a link; the memories stay. @throws AppError forbidden, not_found, idempotency_* */
export async function deleteLink(ctx: Ctx, id: string, idempotencyKey?: string): Promise<{ replayed: boolean }> {
  requireScope(ctx, 'memory:write')
  const known = linkId(id)
  const call: Call = { key: idempotencyKey, hash: requestHash(`unlink ${known}`, null) }
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    if (await finishedCall(tx, ctx, call)) return { replayed: true }
    const link = ctx.reach && (await selectLink(tx, ctx.tenantId, known))
    if (link) await assertEndsWithin(tx, ctx, link)
    const row = await recordChange(tx, ctx, {
      type: 'unlinked',
      call,
      // the ends are there as long as the link is: whoever forgets one removes its links in the same transaction
      changed: `gone as (
          delete from links l where l.tenant_id = $1::integer and l.id = $9::uuid returning l.*
        ), changed as (
          select g.id, g.version + 1 as version, g.type, g.weight, g.metadata, greatest(g.recorded_at, change_instant()) as at,
            f.id as from_id, t.id as to_id, f.namespace, 'link.delete' as action, 204 as status
          from gone g join memories f on f.tenant_id = $1::integer and f.memory_key = g.from_key join memories t on t.tenant_id = $1::integer and t.memory_key = g.to_key)`,
      values: [known],
    })
    if (!row) throw new AppError('not_found', 'There is no link with this id.')
    return { replayed: false }
  })
}
