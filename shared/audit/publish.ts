import type { Publisher } from '../bus/index.ts'
import type { Database } from '../db/index.ts'
import type { EventRecord } from '../handler/index.ts'
import { rowColumns } from './chain.ts'
import { type AuditRecord, recordOf } from './record.ts'

export type PublishDeps = { worker: Database; publisher: Publisher; generation: () => Promise<number>; onFailure: (error: Error) => void; batchSize?: number }
/** `away`: the broker is not there, and the next run goes on. */
export type Published = { published: number; away: boolean }

/**
 * Publishes what is sealed and was not published yet, in the order of the chain. How far it is is kept after the acknowledgement: a run that dies in between is followed by one that
 * sends the same again. A record that the topic can never take is told and passed over: the chain has its row.
 */
export async function publishSealed(deps: PublishDeps, tenantId: number, signal: AbortSignal): Promise<Published> {
  const batchSize = deps.batchSize ?? 200
  let published = 0
  while (!signal.aborted) {
    const { records, until, taken } = await nextRecords(deps, tenantId, batchSize)
    if (until === null) break
    const answers = records.length ? await deps.publisher.publish(records) : []
    const failed = records.findIndex((_, index) => answers[index] !== null && !answers[index]?.poison)
    for (const answer of answers) if (answer) deps.onFailure(answer.error)
    const done = failed === -1 ? until : (taken[failed] as number) - 1
    if (failed !== 0) await keepPublished(deps.worker, tenantId, done)
    published += failed === -1 ? records.length : failed
    if (failed !== -1) return { published, away: true }
    if (taken.length < batchSize) break
  }
  return { published, away: false }
}

type Next = { records: EventRecord[] /** Their positions. */; taken: number[] /** The last position that was read; null: there is nothing. */; until: number | null }

async function nextRecords({ worker, generation: generationOf }: PublishDeps, tenantId: number, most: number): Promise<Next> {
  const generation = await generationOf()
  const rows = await worker.statement<Omit<AuditRecord, 'position' | 'detail' | 'generation'> & { position: string; detail: string | null }>(
    { role: 'soma_worker', tenantId, readOnly: true },
    `select t.name as tenant_id, c.position::text as position, encode(c.hash, 'hex') as hash, ${rowColumns}
     from (select c.position, c.seq, c.hash from audit_chain c
       where c.tenant_id = $1::integer and c.position > coalesce((select h.published from audit_heads h where h.tenant_id = $1::integer), 0) order by c.position limit ${Math.trunc(most)}) c
     join tenants t on t.tenant_id = $1::integer
     join lateral (select o.* from audit_log o where o.tenant_id = $1::integer and o.seq = c.seq limit 1) l on true order by c.position`,
    [tenantId],
  )
  const records = rows.map(({ position, detail, ...row }) => recordOf({ ...row, generation, position: Number(position), detail: detail === null ? null : JSON.parse(detail) }))
  const taken = rows.map(({ position }) => Number(position))
  return { records, taken, until: taken.at(-1) ?? null }
}

async function keepPublished(worker: Database, tenantId: number, until: number): Promise<void> {
  await worker.statement({ role: 'soma_worker', tenantId }, 'update audit_heads set published = greatest(published, $2::bigint) where tenant_id = $1::integer', [tenantId, until])
}
