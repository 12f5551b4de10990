import type { Database } from '../db/index.ts'
import { type Batch, type BatchOptions, createBatches } from './batches.ts'

/** What one recall used; `namespaceKey` is 0 where nothing was ever stored under that name. */
export type ReadUse = { tenantId: number; namespaceKey: number; embeddedTokens: number }
/** Counts reads in the process, so that a recall writes nothing, and writes the counts in batches. */
export type ReadMeter = {
  count(use: ReadUse): void
  /** Writes what was counted so far. What cannot be written is kept for the next flush; never throws. */
  flush(): Promise<void>
  /** For a host that may be frozen after each answer: flushes, but at most once a second. */
  flushBeforeFreeze(): Promise<void>
  /** The last flush. */
  close(): Promise<void>
}
type Entry = ReadUse & { at: Date; recalls: number }

const hourMs = 3_600_000

/** A meter that flushes every 10 s, at 1,000 entries (one a tenant, namespace and hour) and on close: a crash loses what one flush would have written. */
export function createReadMeter(app: Database, onFailure: (error: unknown) => void, options: BatchOptions = {}): ReadMeter {
  const now = options.now ?? Date.now
  const { update, flush, flushBeforeFreeze, close } = createBatches<Entry>((batch) => insertBatch(app, batch), onFailure, options)
  return {
    count(use) {
      const at = now()
      update(`${use.tenantId} ${use.namespaceKey} ${Math.floor(at / hourMs)}`, (before) => {
        const entry = before ?? { ...use, at: new Date(at), recalls: 0, embeddedTokens: 0 }
        entry.recalls++
        entry.embeddedTokens += use.embeddedTokens
        return entry
      })
    },
    flush,
    flushBeforeFreeze,
    close,
  }
}

/** One statement: either the batch is new and its rows are written, or it was there and nothing is. */
async function insertBatch(app: Database, { id, tenantId, entries }: Batch<Entry>): Promise<void> {
  await app.statement(
    { role: 'soma_app', tenantId, timeoutMs: 2_000 },
    `with fresh as (insert into usage_batches (tenant_id, batch_id) values ($1::integer, $2::uuid) on conflict do nothing returning tenant_id)
     insert into usage_deltas (tenant_id, namespace_key, at, recalls, embedded_tokens)
     select f.tenant_id, e.namespace_key, e.at, e.recalls, e.tokens
     from fresh f cross join unnest($3::integer[], $4::timestamptz[], $5::integer[], $6::bigint[]) e (namespace_key, at, recalls, tokens)`,
    [
      tenantId,
      id,
      entries.map((entry) => entry.namespaceKey),
      entries.map((entry) => entry.at.toISOString()),
      entries.map((entry) => entry.recalls),
      entries.map((entry) => entry.embeddedTokens),
    ],
  )
}
