import type { Sql } from '../db/index.ts'
import { awaySeconds, backoffSeconds, maxAttempts, readyAtNextAttempt } from './attempts.ts'

export type Outcome = { seq: string; attempts: number; error: string | null; poison: boolean /** The transport was not there: the attempt does not count. */; away: boolean }

/** Writes what became of leased rows; only those whose lease this owner still holds. Rows that failed for good are `dead` and stay visible. */
export async function settleOutbox(tx: Sql, tenantId: number, owner: string, outcomes: Outcome[], guard: string | null, more: boolean): Promise<void> {
  const sent = outcomes.filter((one) => one.error === null).map((one) => one.seq)
  const failed = outcomes.filter((one) => one.error !== null)
  if (sent.length) {
    await tx.query(
      `update outbox o set status = 'sent', sent_at = now(), lease_owner = null, lease_expires_at = null, last_error = null
       where o.tenant_id = $1::integer and o.seq = any ($2::bigint[]) and o.lease_owner = $3::uuid`,
      [tenantId, sent, owner],
    )
  }
  if (failed.length) {
    const waits = failed.map((one) => (one.away ? awaySeconds() : backoffSeconds(one.attempts)))
    const dead = failed.map((one) => !one.away && (one.poison || one.attempts >= maxAttempts))
    await tx.query(
      `update outbox o set status = case when f.dead then 'dead' else 'pending' end, next_attempt_at = now() + make_interval(secs => f.wait), last_error = f.error, attempts = o.attempts - f.uncounted,
         lease_owner = null, lease_expires_at = null
       from unnest($2::bigint[], $4::double precision[], $5::text[], $6::boolean[], $7::integer[]) f (seq, wait, error, dead, uncounted)
       where o.tenant_id = $1::integer and o.seq = f.seq and o.lease_owner = $3::uuid`,
      [tenantId, failed.map((one) => one.seq), owner, waits, failed.map((one) => (one.error as string).slice(0, 500)), dead, failed.map((one) => Number(one.away))],
    )
  }
  // with no more to claim, only what waits for its next attempt is pending: each row's time must find a ready row, not the first one's only
  const next = more ? 'select $1::integer, now()' : readyAtNextAttempt
  await tx.query(
    `with freed as (delete from outbox_ready r where r.tenant_id = $1::integer and r.seq = $2::bigint)
     insert into outbox_ready (tenant_id, not_before) ${next}`,
    [tenantId, guard],
  )
}
