import { randomUUID } from 'node:crypto'
import type { Database } from '../db/index.ts'

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
type Options = { everyMs?: number; mostEntries?: number; now?: () => number }
type Entry = ReadUse & { at: Date; recalls: number }
/** It keeps its id until it is written: a flush whose answer got lost is repeated with the same one, and counts nothing. */
type Batch = { id: string; tenantId: number; entries: Entry[] }

const hourMs = 3_600_000
const pauseMs = 1_000

/** A meter that flushes every 10 s, at 1,000 entries (one a tenant, namespace and hour) and on close: a crash loses what one flush would have written. */
export function createReadMeter(app: Database, onFailure: (error: unknown) => void, { everyMs = 10_000, mostEntries = 1_000, now = Date.now }: Options = {}): ReadMeter {
  let open = new Map<string, Entry>()
  let waiting: Batch[] = []
  let underway: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let flushedAt = Number.NEGATIVE_INFINITY

  function count(use: ReadUse): void {
    const at = now()
    const key = `${use.tenantId} ${use.namespaceKey} ${Math.floor(at / hourMs)}`
    const entry = open.get(key) ?? { ...use, at: new Date(at), recalls: 0, embeddedTokens: 0 }
    entry.recalls++
    entry.embeddedTokens += use.embeddedTokens
    open.set(key, entry)
    if (open.size >= mostEntries && !underway && now() - flushedAt >= pauseMs) void flush()
    else arm()
  }

  function arm(): void {
    timer ??= setTimeout(() => void flush(), everyMs).unref()
  }

  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const current = (underway ?? Promise.resolve()).then(work).finally(() => {
      if (underway === current) underway = undefined
      if (open.size || waiting.length) arm()
    })
    underway = current
    return current
  }

  async function work(): Promise<void> {
    if (open.size || waiting.length) flushedAt = now()
    waiting = await write(waiting)
    const fresh = cut()
    waiting = [...waiting, ...(await write(fresh))]
  }

  /** A tenant with a batch that could not be written gets no second one: what is kept stays bounded by tenants, namespaces and hours. */
  function cut(): Batch[] {
    const stuck = new Set(waiting.map((batch) => batch.tenantId))
    const byTenant = Map.groupBy(open.values(), (entry) => entry.tenantId)
    open = new Map([...open].filter(([, entry]) => stuck.has(entry.tenantId)))
    return [...byTenant].flatMap(([tenantId, entries]) => (stuck.has(tenantId) ? [] : [{ id: randomUUID(), tenantId, entries }]))
  }

  /** Answers those that could not be written. */
  async function write(batches: Batch[]): Promise<Batch[]> {
    const failed: Batch[] = []
    for (const batch of batches) {
      await insertBatch(app, batch).catch((error) => {
        failed.push(batch)
        onFailure(error)
      })
    }
    return failed
  }

  return {
    count,
    flush,
    async flushBeforeFreeze() {
      await (now() - flushedAt >= pauseMs ? flush() : underway)
    },
    close: flush,
  }
}

/** One statement: either the batch is new and its rows are written, or it was there and nothing is. */
async function insertBatch(app: Database, { id, tenantId, entries }: Batch): Promise<void> {
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
