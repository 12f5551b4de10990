import { recordEnded } from '../operation/index.ts'
import type { Ctx } from '../tenant/index.ts'
import { prepareNew } from './prepare.ts'
import { parseNew } from './store.ts'
import { storeItems } from './write.ts'

/** A request that was answered before it was stored: its operation, the id that its memory had from the first, and its idempotency key. */
export type Journalled = { operation: string; memory: string; at: string; key?: string | undefined; hash: string; body: unknown }
type StoredOnce = { id: string; version: number }

/**
 * Stores what was journalled, once however often it is called: the operation's row, written in the same transaction, is the mark. The first attempt may have been committed
 * although its answer was lost, with the same id; and its key may have been used by a later request, which then counts. @throws AppError as storeMemory
 */
export async function storeJournalled(ctx: Ctx, { operation, memory, at, key, hash, body }: Journalled): Promise<StoredOnce> {
  const item = prepareNew(parseNew(body), 0, new Date(at), memory)
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    const [ended] = await tx.query<{ result: StoredOnce }>(
      `select o.result from operations o where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.state = 'succeeded'`,
      [ctx.tenantId, operation],
    )
    if (ended) return ended.result
    const [there] = await tx.query(
      `select from memories m where m.tenant_id = $1::integer and m.id = $2::uuid union all select from memory_versions m where m.tenant_id = $1::integer and m.id = $2::uuid limit 1`,
      [ctx.tenantId, memory],
    )
    const result = there ? { id: memory, version: 1 } : await store()
    await recordEnded(tx, ctx, { id: operation, kind: 'store', startedAt: at, result, problem: null })
    return result

    async function store(): Promise<StoredOnce> {
      const answer = await storeItems(tx, ctx, [item], { key, hash }, { action: 'memory.store', bulk: false })
      const [{ id, version }] = ('replayed' in answer ? answer.replayed.result : answer.results) as [StoredOnce]
      return { id, version }
    }
  })
}
