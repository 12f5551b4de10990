import type { Database } from '../db/index.ts'
import { type Batch, type BatchOptions, createBatches } from '../usage/index.ts'

/** A request of a known caller that was refused with 403: what it asked for (`POST /v1/keys`), and why, in one of few words. */
export type Denial = { tenantId: number; actor: string; target: string; reason: string; requestId: string }
/** Counts denied requests in the process, so that no answer waits for it, and writes them into the audit log. */
export type Denials = {
  count(denial: Denial): void
  /** Writes what may be written now. What cannot be is kept for the next flush; never throws. */
  flush(): Promise<void>
  /** For a host that may be frozen after each answer: flushes, but at most once a second. */
  flushBeforeFreeze(): Promise<void>
  /** The last flush: writes all. */
  close(): Promise<void>
}
type Entry = Denial & { key: string; at: Date; count: number }

/** One row a minute for the same caller, request and reason. */
const apartMs = 60_000
const unwritten = Number.NEGATIVE_INFINITY
/** So many different ones of a tenant are told apart within it; its others are one. */
const mostKinds = 100

/**
 * A denial is written by the next flush, within 10 s; what else is denied to the same caller for the same reason within the minute is one row more, with a count. So whoever is denied
 * again and again, as whomever, fills no disk: a process writes some hundred rows a minute of a tenant at most.
 */
export function createDenials(app: Database, onFailure: (error: unknown) => void, options: BatchOptions = {}): Denials {
  const now = options.now ?? Date.now
  /** By tenant: the kinds of its last minute, and when each was last written. */
  const kinds = new Map<number, Map<string, number>>()
  const kindsOf = (tenantId: number) => kinds.get(tenantId) ?? (kinds.set(tenantId, new Map()).get(tenantId) as Map<string, number>)
  const isDue = ({ tenantId, key }: Entry) => now() - (kindsOf(tenantId).get(key) ?? unwritten) >= apartMs
  async function insert(batch: Batch<Entry>): Promise<void> {
    await insertBatch(app, batch)
    const own = kindsOf(batch.tenantId)
    for (const { key } of batch.entries) own.set(key, now())
    for (const [key, at] of own) if (at !== unwritten && now() - at >= apartMs && !batches.has(key)) own.delete(key)
  }
  const batches = createBatches(insert, onFailure, { ...options, isDue })
  return {
    count(denial) {
      const { tenantId, actor, target, reason } = denial
      const own = kindsOf(tenantId)
      const named = JSON.stringify([tenantId, actor, target, reason])
      const isOne = own.has(named) || own.size < mostKinds
      const key = isOne ? named : JSON.stringify([tenantId])
      if (!own.has(key)) own.set(key, unwritten)
      const kind = isOne ? denial : { ...denial, actor: 'several', target: 'several', reason: 'several' }
      batches.update(key, (before) => ({ ...(before ?? kind), key, at: new Date(now()), count: (before?.count ?? 0) + 1 }))
    },
    flush: batches.flush,
    flushBeforeFreeze: batches.flushBeforeFreeze,
    close: batches.close,
  }
}

/** One statement: either the batch is new and its rows are written, or it was there and nothing is. `at` is the last one's, `request_id` the first one's. */
async function insertBatch(app: Database, { id, tenantId, entries }: Batch<Entry>): Promise<void> {
  const column = <Name extends keyof Entry>(name: Name) => entries.map((entry) => entry[name])
  await app.statement(
    { role: 'soma_app', tenantId, timeoutMs: 2_000 },
    `with fresh as (insert into usage_batches (tenant_id, batch_id) values ($1::integer, $2::uuid) on conflict do nothing returning tenant_id)
     insert into audit_log (tenant_id, at, actor, action, target, request_id, detail)
     select f.tenant_id, e.at, e.actor, 'request.denied', e.target, e.request_id, jsonb_build_object('reason', e.reason, 'count', e.count)
     from fresh f cross join unnest($3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[]) e (at, actor, target, request_id, reason, count)`,
    [tenantId, id, entries.map(({ at }) => at.toISOString()), column('actor'), column('target'), column('requestId'), column('reason'), column('count')],
  )
}
