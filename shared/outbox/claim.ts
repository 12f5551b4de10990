import type { Database, Sql } from '../db/index.ts'
import { maxAttempts, readyAtNextAttempt } from './attempts.ts'

export const leaseSeconds = 60

export type ClaimedRow = {
  seq: string
  event_id: string
  topic: string
  type: string
  id: string
  memory_key: string | null
  version: number | null
  traceparent: string | null
  attempts: number
  created_at: Date
  namespace: string | null
  payload: Record<string, unknown> | null
  text: string | null
  messages: unknown
  importance: number | null
}
export type Claim = { rows: ClaimedRow[] /** The ready row that brings the tenant back if this drain dies. */; guard: string | null; more: boolean }

/** Tenants whose turn it is, the longest waiting first. */
export function tenantsWaiting(tx: Sql, most: number): Promise<{ tenant_id: number; name: string }[]> {
  return tx.query(
    `select t.tenant_id, t.name from (select r.tenant_id, min(r.seq) as first from outbox_ready r where r.not_before <= now() group by r.tenant_id order by 2 limit $1::integer) w
     join tenants t on t.tenant_id = w.tenant_id order by w.first`,
    [most],
  )
}

/** In how many seconds the next tenant has its turn: for what waits for another attempt, or for the lease of a drain that died; null where nothing waits. */
export async function nextTurn(worker: Database): Promise<number | null> {
  const text = 'select extract(epoch from min(r.not_before) - now())::double precision as seconds from outbox_ready r'
  const [row] = await worker.statement<{ seconds: number | null }>({ role: 'soma_worker', tenantId: null, readOnly: true }, text)
  return row?.seconds ?? null
}

/**
 * Leases up to `limit` rows of one tenant. The ready rows it saw are used up first, so a store that commits later leaves one of its own and no
 * wake-up is lost; one with the lease's end in it stays behind, so that a drain that dies is followed by another.
 */
export async function claimOutbox(tx: Sql, tenantId: number, owner: string, limit: number): Promise<Claim> {
  await tx.query(
    `with used as (
       delete from outbox_ready r where r.tenant_id = $1::integer and r.seq in
         (select o.seq from outbox_ready o where o.tenant_id = $1::integer and o.not_before <= now() for update skip locked))
     update outbox o set status = case when o.attempts >= ${maxAttempts} then 'dead' else 'pending' end, lease_owner = null, lease_expires_at = null,
       last_error = 'the drain that held it ended without a word'
     where o.tenant_id = $1::integer and o.status = 'leased' and o.lease_expires_at < now()`,
    [tenantId],
  )
  const rows = await tx.query<ClaimedRow & { guard: string }>(
    `with claimed as (
       update outbox o set status = 'leased', lease_owner = $2::uuid, lease_expires_at = now() + make_interval(secs => ${leaseSeconds}), attempts = o.attempts + 1
       where o.tenant_id = $1::integer and o.seq in (
         select n.seq from outbox n where n.tenant_id = $1::integer and n.status = 'pending' and n.next_attempt_at <= now() order by n.seq limit $3::integer for update skip locked)
       returning o.*
     ), guard as (
       insert into outbox_ready (tenant_id, not_before)
       select $1::integer, now() + make_interval(secs => ${leaseSeconds + 1}) where exists (select from claimed) returning seq)
     select (select g.seq from guard g) as guard, c.seq, c.event_id, c.topic, c.type, c.id, c.memory_key, c.version, c.traceparent, c.attempts, c.created_at, coalesce(m.namespace, v.namespace, c.body->>'namespace') as namespace,
       coalesce(c.body->'payload', m.payload, v.payload) as payload, coalesce(m.text, v.text) as text, coalesce(m.messages, v.messages) as messages, coalesce(m.importance, v.importance) as importance
     from claimed c
     -- row by row: as plain joins they read the tenant's whole tables (measured: 99 ms a batch at 100,000 memories)
     left join lateral (select o.namespace, o.payload, o.text, o.messages, o.importance from memories o
       where o.tenant_id = $1::integer and o.memory_key = c.memory_key and o.version = c.version limit 1) m on true
     left join lateral (select o.namespace, o.payload, o.text, o.messages, o.importance from memory_versions o
       where o.tenant_id = $1::integer and o.memory_key = c.memory_key and o.version = c.version limit 1) v on true
     order by c.seq`,
    [tenantId, owner, limit],
  )
  // the ready row that brought this turn is used up, and what waits for a later attempt still needs one
  if (!rows.length) await tx.query(`insert into outbox_ready (tenant_id, not_before) ${readyAtNextAttempt}`, [tenantId])
  return { rows, guard: rows[0]?.guard ?? null, more: rows.length === limit }
}
