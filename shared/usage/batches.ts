import { randomUUID } from 'node:crypto'

/** It keeps its id until it is written: a flush whose answer got lost is repeated with the same one, and counts nothing. */
export type Batch<Entry> = { id: string; tenantId: number; entries: Entry[] }
/** Entries of tenants, added up in the process and written in batches. */
export type Batches<Entry> = {
  update(key: string, change: (before: Entry | undefined) => Entry): void
  has(key: string): boolean
  /** Writes what is due so far. What cannot be written is kept for the next flush; never throws. */
  flush(): Promise<void>
  /** For a host that may be frozen after each answer: flushes, but at most once a second. */
  flushBeforeFreeze(): Promise<void>
  /** The last flush: everything is due. */
  close(): Promise<void>
}
export type BatchOptions = { everyMs?: number; mostEntries?: number; now?: () => number }

const pauseMs = 1_000

/** Batches that are flushed every 10 s, at 1,000 entries and on close: a crash loses what one flush would have written. */
export function createBatches<Entry extends { tenantId: number }>(
  insert: (batch: Batch<Entry>) => Promise<void>,
  onFailure: (error: unknown) => void,
  { everyMs = 10_000, mostEntries = 1_000, now = Date.now, isDue = () => true }: BatchOptions & { isDue?: (entry: Entry) => boolean } = {},
): Batches<Entry> {
  let open = new Map<string, Entry>()
  let waiting: Batch<Entry>[] = []
  let underway: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let flushedAt = Number.NEGATIVE_INFINITY
  let ending = false

  function update(key: string, change: (before: Entry | undefined) => Entry): void {
    open.set(key, change(open.get(key)))
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

  /** A tenant with a batch that could not be written gets no second one: what is kept stays bounded by what there are keys for. */
  function cut(): Batch<Entry>[] {
    const stuck = new Set(waiting.map((batch) => batch.tenantId))
    const stays = (entry: Entry) => stuck.has(entry.tenantId) || !(ending || isDue(entry))
    const byTenant = Map.groupBy(
      [...open.values()].filter((entry) => !stays(entry)),
      (entry) => entry.tenantId,
    )
    open = new Map([...open].filter(([, entry]) => stays(entry)))
    return [...byTenant].map(([tenantId, entries]) => ({ id: randomUUID(), tenantId, entries }))
  }

  /** Answers those that could not be written. */
  async function write(batches: Batch<Entry>[]): Promise<Batch<Entry>[]> {
    const failed: Batch<Entry>[] = []
    for (const batch of batches) {
      await insert(batch).catch((error) => {
        failed.push(batch)
        onFailure(error)
      })
    }
    return failed
  }

  return {
    update,
    has: (key) => open.has(key),
    flush,
    async flushBeforeFreeze() {
      await (now() - flushedAt >= pauseMs ? flush() : underway)
    },
    close() {
      ending = true
      return flush()
    },
  }
}
