import * as z from 'zod'
import { requestHash } from '../memory/index.ts'
import type { Ctx } from '../tenant/index.ts'
import { type Answered, type Counted, changeIn, changeRows } from './change-rows.ts'

export const ReplayIn = z.strictObject({ ...changeIn, status: z.enum(['dead', 'sent']).default('dead') })
export type Replayed = Counted | { replayed: number; skipped: number }

const changed = `update outbox o set status = 'pending', attempts = 0, next_attempt_at = now(), lease_owner = null, lease_expires_at = null, sent_at = null
  where o.tenant_id = $1::integer and o.seq = any ($2::bigint[]) returning o.seq, o.event_id`
const readied = 'insert into outbox_ready (tenant_id, not_before) values ($1::integer, now())'

/** Has dead rows (or, when asked, sent ones that are still there) published again, as if they were new. What is leased at the moment is not among them. @throws AppError forbidden, invalid, conflict, idempotency_* */
export async function replayOutbox(ctx: Ctx, body: unknown, idempotencyKey?: string): Promise<Answered<Replayed>> {
  const { status, ...input } = ReplayIn.parse(body)
  const call = { key: idempotencyKey, hash: requestHash('outbox.replay', body) }
  const { replayed, body: done } = await changeRows(ctx, input, { action: 'outbox.replay', status, statements: { changed, readied }, detail: { status } }, call)
  return { replayed, body: 'changed' in done ? { replayed: done.changed, skipped: done.skipped } : done }
}
