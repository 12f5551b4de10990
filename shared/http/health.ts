import type { Database } from '../db/index.ts'
import { schemaVersion } from '../db/index.ts'
import { AppError } from '../problem/index.ts'

export type Component = { ok: boolean; latency_ms: number; detail?: string }
export type Readiness = { status: 'ok' | 'unavailable'; components: Record<string, Component> }

/** Whether what a handler needs can be used now: the database answers, and its schema is at least this code's. */
export async function readiness(databases: Record<string, Database>): Promise<Readiness> {
  const components = Object.fromEntries(await Promise.all(Object.entries(databases).map(async ([name, db]) => [name, await probe(db, name)] as const)))
  return { status: Object.values(components).every((one) => one.ok) ? 'ok' : 'unavailable', components }
}

async function probe(db: Database, name: string): Promise<Component> {
  const started = performance.now()
  const elapsed = () => Math.round((performance.now() - started) * 10) / 10
  try {
    const [row] = await db.transaction({ role: name === 'worker' ? 'soma_worker' : 'soma_app', tenantId: null, readOnly: true, timeoutMs: 2_000 }, (tx) =>
      tx.query<{ version: number }>('select max(version) as version from schema_migrations'),
    )
    if ((row?.version ?? 0) < schemaVersion) return { ok: false, latency_ms: elapsed(), detail: 'the schema is older than this code: run npx soma migrate' }
    return { ok: true, latency_ms: elapsed() }
  } catch (error) {
    return { ok: false, latency_ms: elapsed(), detail: error instanceof AppError ? error.message : 'it cannot be used; the reason is in the log of the database' }
  }
}
