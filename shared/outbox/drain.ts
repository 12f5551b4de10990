import { randomUUID } from 'node:crypto'
import type { Publisher } from '../bus/index.ts'
import { type Database, singly } from '../db/index.ts'
import type { EventRecord, JobReport } from '../handler/index.ts'
import { type ClaimedRow, claimOutbox, tenantsWaiting } from './claim.ts'
import { type MemoryEvent, recordOf } from './event.ts'
import { publishRecords } from './publish.ts'
import { type Outcome, settleOutbox } from './settle.ts'

export type DrainDeps = { worker: Database; publisher: Publisher; generation: () => Promise<number>; onFailure: (seq: string, error: string) => void }
/** Rows a tenant gets in its turn: one with a long queue delays the others by one batch. */
const batchSize = 200
const tenantsPerRound = 50

/** Publishes what was ready when it began, turn by turn, until that is done or the signal ends it. Any number of drains may run at once. */
export async function drainOutbox(deps: DrainDeps, signal: AbortSignal): Promise<JobReport> {
  const owner = randomUUID()
  let sent = 0
  let failed = 0
  while (!signal.aborted) {
    const tenants = await tenantsWaiting(singly(deps.worker, { role: 'soma_worker', tenantId: null, readOnly: true }), tenantsPerRound)
    let backlog = tenants.length === tenantsPerRound
    for (const tenant of tenants) {
      if (signal.aborted) break
      const { outcomes, more } = await drainTurn(deps, owner, tenant)
      backlog ||= more
      sent += outcomes.filter((one) => one.error === null).length
      failed += outcomes.filter((one) => one.error !== null).length
      // the others would only wait for the same: they keep their turn for the next drain
      if (!deps.publisher.direct && outcomes.some((one) => one.away)) return { done: sent, remaining: false, detail: { sent, failed } }
    }
    // what is stored from here on wakes a drain of its own: following it row by row would compete with the stores
    if (!backlog) return { done: sent, remaining: false, detail: { sent, failed } }
  }
  return { done: sent, remaining: true, detail: { sent, failed } }
}

async function drainTurn(deps: DrainDeps, owner: string, tenant: { tenant_id: number; name: string }): Promise<{ outcomes: Outcome[]; more: boolean }> {
  const access = { role: 'soma_worker', tenantId: tenant.tenant_id } as const
  // read before anything is leased: where it cannot be read nothing has to wait for a lease to end
  const generation = await deps.generation()
  const claim = await deps.worker.transaction(access, (tx) => claimOutbox(tx, tenant.tenant_id, owner, batchSize))
  if (!claim.rows.length) return { outcomes: [], more: false }
  const records = claim.rows.map((row) => toRecord(row, tenant.name, generation))
  const sendable = records.flatMap((record, index) => (record ? [{ record, index }] : []))
  const answers = await publishRecords(
    deps.publisher,
    sendable.map(({ record }) => record),
  )
  const outcomes = claim.rows.map((row): Outcome => ({ seq: row.seq, attempts: row.attempts, error: 'the version it names is gone', poison: true, away: false }))
  for (const [place, { index }] of sendable.entries()) {
    const failure = answers[place]
    const outcome = outcomes[index] as Outcome
    // null is an acknowledgement; no answer at all is none
    outcome.error = failure === undefined ? 'the transport gave no answer for it' : (failure?.error.message ?? null)
    outcome.poison = failure?.poison ?? false
    outcome.away = failure?.away ?? false
  }
  for (const one of outcomes) if (one.error !== null) deps.onFailure(one.seq, one.error)
  await deps.worker.transaction(access, (tx) => settleOutbox(tx, tenant.tenant_id, owner, outcomes, claim.guard, claim.more))
  return { outcomes, more: claim.more }
}

function toRecord(row: ClaimedRow, tenant: string, generation: number): EventRecord | undefined {
  if (row.namespace === null) return undefined
  const content = row.payload ?? { ...(row.text ? { text: row.text } : {}), ...(row.messages ? { messages: row.messages } : {}) }
  const event: MemoryEvent = {
    event_id: row.event_id,
    id: row.id,
    namespace: row.namespace,
    type: row.type as MemoryEvent['type'],
    timestamp: row.created_at.toISOString(),
    payload: row.type === 'deleted' ? {} : content,
    tenant_id: tenant,
    generation,
    ...(row.version === null ? {} : { version: row.version }),
    ...(row.importance === null ? {} : { importance: row.importance }),
  }
  return recordOf(event, { topic: row.topic, traceparent: row.traceparent })
}
