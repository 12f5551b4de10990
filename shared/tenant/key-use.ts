import type { Database } from '../db/index.ts'

/** Of one key, in one process. */
const atMostEveryMs = 60_000
const mostKnown = 10_000

/** When keys were last used, to the minute: one small statement a key and minute, which no request waits for. */
export type KeyUse = {
  saw(tenantId: number, keyId: string): void
  /** Resolves when all that was seen is written, or was given up. */
  written(): Promise<void>
}

/** `onProblem` hears what could not be written; the next use a minute later tries again. */
export function createKeyUse(app: Database, onProblem: (error: unknown) => void): KeyUse {
  const known = new Map<string, number>()
  const writing = new Set<Promise<void>>()
  return {
    saw(tenantId, keyId) {
      const key = `${tenantId}-${keyId}`
      const now = performance.now()
      if (now - (known.get(key) ?? Number.NEGATIVE_INFINITY) < atMostEveryMs) return
      if (known.size >= mostKnown) known.clear()
      known.set(key, now)
      const write = record(app, tenantId, keyId)
        .catch(onProblem)
        .finally(() => writing.delete(write))
      writing.add(write)
    },
    async written() {
      await Promise.all(writing)
    },
  }
}

/** Another process may have written the same minute. */
async function record(app: Database, tenantId: number, keyId: string): Promise<void> {
  await app.statement(
    { role: 'soma_app', tenantId },
    `update api_keys set last_used_at = now() where tenant_id = $1::integer and key_id = $2::text and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
    [tenantId, keyId],
  )
}
