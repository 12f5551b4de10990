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
    const { places, records } = await nextRecords(deps, tenantId, batchSize)
    const last = places.at(-1)
    if (last === undefined) break
    const failed = await send(deps, records)
    const first = failed === undefined ? undefined : places[failed]
    if (first !== places[0]) await keepPublished(deps.worker, tenantId, first === undefined ? last : first - 1)
    published += records.slice(0, failed).filter(Boolean).length
    if (failed !== undefined) return { published, away: true }
    if (places.length < batchSize) break
  }
  return { published, away: false }
}

/** Answers the index of the first that was not taken and may be taken later; undefined: all is done. */
async function send({ publisher, onFailure }: PublishDeps, records: (EventRecord | undefined)[]): Promise<number | undefined> {
  const sent = records.flatMap((record, index) => (record ? [{ record, index }] : []))
  if (!sent.length) return undefined
  try {
    const answers = await publisher.publish(sent.map(({ record }) => record))
    for (const answer of answers) if (answer) onFailure(answer.error)
    return sent.find((_, place) => answers[place] !== null && !answers[place]?.poison)?.index
  } catch (error) {
    onFailure(error instanceof Error ? error : new Error(String(error)))
    return 0
  }
}

/** Without `seq` its row is gone. */
type Row = Omit<AuditRecord, 'position' | 'detail' | 'generation' | 'seq'> & { position: string; seq: string | null; detail: string | null }

/** The next places, and their records: none where the row is gone, which is for the verifier to tell. */
async function nextRecords({ worker, generation: generationOf }: PublishDeps, tenantId: number, most: number): Promise<{ places: number[]; records: (EventRecord | undefined)[] }> {
  const generation = await generationOf()
  const rows = await worker.statement<Row>(
    { role: 'soma_worker', tenantId, readOnly: true },
    `select t.name as tenant_id, c.position::text as position, encode(c.hash, 'hex') as hash, ${rowColumns}
     from (select c.position, c.seq, c.hash from audit_chain c
       where c.tenant_id = $1::integer and c.position > coalesce((select h.published from audit_heads h where h.tenant_id = $1::integer), 0) order by c.position limit ${Math.trunc(most)}) c
     join tenants t on t.tenant_id = $1::integer
     left join lateral (select o.* from audit_log o where o.tenant_id = $1::integer and o.seq = c.seq limit 1) l on true order by c.position`,
    [tenantId],
  )
  return {
    places: rows.map(({ position }) => Number(position)),
    records: rows.map((row) =>
      row.seq === null ? undefined : recordOf({ ...row, seq: row.seq, generation, position: Number(row.position), detail: row.detail === null ? null : JSON.parse(row.detail) }),
    ),
  }
}

async function keepPublished(worker: Database, tenantId: number, until: number): Promise<void> {
  await worker.statement({ role: 'soma_worker', tenantId }, 'update audit_heads set published = greatest(published, $2::bigint) where tenant_id = $1::integer', [tenantId, until])
}
