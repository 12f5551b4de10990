import { AppError } from '../problem/index.ts'

/** An entry that is to be stored; without a segment while it is on its way into one. */
export type Waiting = { at: number; tenantId: number; bytes: number; segment: string | undefined }
export type Bounds = { maxBytes: number; maxAgeMs: number }
export const fullSeconds = 30

/** What waits, the oldest first, and whether there is room for more. */
export function createWaiting({ maxBytes, maxAgeMs }: Bounds) {
  const entries = new Map<string, Waiting>()
  const heldBy = new Map<number, number>()
  return {
    size: () => entries.size,
    values: () => entries.values(),
    add(operation: string, one: Waiting): void {
      entries.set(operation, one)
      heldBy.set(one.tenantId, (heldBy.get(one.tenantId) ?? 0) + one.bytes)
    },
    remove(operation: string): void {
      const one = entries.get(operation)
      if (one && entries.delete(operation)) heldBy.set(one.tenantId, (heldBy.get(one.tenantId) ?? 0) - one.bytes)
    },
    /** `bytes` is the size of all files. @throws AppError unavailable when there is no room */
    assertRoom({ tenantId, bytes: more, at }: Pick<Waiting, 'tenantId' | 'bytes' | 'at'>, bytes: number): void {
      const [oldest] = entries.values()
      if (oldest !== undefined && at - oldest.at > maxAgeMs) throw full('what waits in the journal is too old (JOURNAL_MAX_HOURS)')
      if (bytes + more > maxBytes) throw full('the journal is full (JOURNAL_MAX_MB)')
      if ((heldBy.get(tenantId) ?? 0) + more > maxBytes / 2) throw full('this tenant has its share of the journal, which is half (JOURNAL_MAX_MB)')
    },
  }
}

export function full(why: string): AppError {
  return new AppError('unavailable', `The database cannot be reached, and ${why}.`, { retryAfterSeconds: fullSeconds })
}
