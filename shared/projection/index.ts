import type { Database } from '../db/index.ts'
import type { EventRecord, RecordFailure } from '../handler/index.ts'
import { applyByTenant, sortRecords, type TenantBatch } from '../outbox/index.ts'

export type ProjectDeps = { worker: Database; generation: () => Promise<number> }

/** Fills memory_events: one row an event, however often and in whatever order it arrives. */
export async function projectEvents(deps: ProjectDeps, records: readonly EventRecord[]): Promise<RecordFailure[]> {
  const generation = await deps.generation()
  const { batches, failures } = await sortRecords(deps.worker, generation, records)
  return applyByTenant(batches, failures, (batch) => insertEvents(deps.worker, generation, batch))
}

async function insertEvents(worker: Database, generation: number, { tenantId, events }: TenantBatch): Promise<void> {
  const rows = events.map(({ event }) => ({
    event_id: event.event_id,
    id: event.id,
    namespace: event.namespace,
    type: event.type,
    version: event.version,
    payload: event.payload,
    timestamp: typeof event.timestamp === 'number' ? new Date(event.timestamp * 1000).toISOString() : event.timestamp,
  }))
  await worker.statement(
    { role: 'soma_worker', tenantId },
    `insert into memory_events (tenant_id, event_id, id, namespace, type, timestamp, version, generation, payload)
     select $1::integer, e.event_id, e.id, e.namespace, e.type, e.timestamp, e.version, $3::integer, e.payload
     from jsonb_to_recordset($2::jsonb) e (event_id uuid, id uuid, namespace text, type text, timestamp timestamptz, version integer, payload jsonb)
     on conflict (tenant_id, event_id) do nothing`,
    [tenantId, JSON.stringify(rows), generation],
  )
}
