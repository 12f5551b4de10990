import type { Database } from '../shared/db/index.ts'
import type { Log } from '../shared/telemetry/index.ts'

/** Published changes after which the embedded engine's tables are vacuumed and analyzed. */
const everyChanges = 2_000
const lookMs = 30_000

/** PGlite runs no autovacuum: without this its plans go stale after a load, and dead rows pile up in the queues. A real Postgres is left alone. */
export function keepTidy(owner: Database, log: Log): { worked(changes: number): void; stop(): Promise<void> } {
  if (owner.engine !== 'pglite') return { worked() {}, async stop() {} }
  let changes = 0
  let current: Promise<void> = Promise.resolve()
  const tables = [
    'outbox',
    'outbox_ready',
    'vector_pending',
    'usage_deltas',
    'usage_batches',
    'usage_hours',
    'scope_stats',
    'session_stats',
    'scopes',
    'sessions',
    'memories',
    'postings',
    'vectors',
    'memory_versions',
    'idempotency',
    'links',
    'operations',
  ]
  async function tidy(): Promise<void> {
    changes = 0
    for (const table of tables) await owner.maintenance((sql) => sql.query(`vacuum (analyze) ${table}`))
  }
  const timer = setInterval(() => {
    if (changes < everyChanges) return
    current = tidy().catch((error) => log.warn({ err: error }, 'the tables could not be vacuumed'))
  }, lookMs).unref()
  return {
    worked(count) {
      changes += count
    },
    async stop() {
      clearInterval(timer)
      await current
    },
  }
}
