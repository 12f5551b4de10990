import * as z from 'zod'
import { requestHash } from '../memory/index.ts'
import type { Ctx } from '../tenant/index.ts'
import { type Answered, type Counted, changeIn, changeRows } from './change-rows.ts'

export const PurgeIn = z.strictObject({ ...changeIn, reason: z.string().min(1).max(500).regex(/\S/, 'says why, for the audit log') })
export type Purged = Counted | { purged: number; skipped: number }

const changed = 'delete from outbox o where o.tenant_id = $1::integer and o.seq = any ($2::bigint[]) returning o.seq, o.event_id'

/** Removes dead rows for good: their events are never published. The audit log keeps the reason and the ids of the events. @throws AppError forbidden, invalid, conflict, idempotency_* */
export async function purgeOutbox(ctx: Ctx, body: unknown, idempotencyKey?: string): Promise<Answered<Purged>> {
  const { reason, ...input } = PurgeIn.parse(body)
  const call = { key: idempotencyKey, hash: requestHash('outbox.purge', body) }
  const { replayed, body: done } = await changeRows(ctx, input, { action: 'outbox.purge', status: 'dead', statements: { changed }, detail: { reason } }, call)
  return { replayed, body: 'changed' in done ? { purged: done.changed, skipped: done.skipped } : done }
}
