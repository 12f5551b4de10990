import { type Database, singly } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { forEachTenant } from '../tenant/index.ts'
import { tokenizerRevision } from '../text/index.ts'
import { type Place, start, type Table, tables } from './tables.ts'

/** The round in which nothing was left ends it, but not within this time: a process of the version before may still be storing. */
const settled = '1 hour'

/**
 * Counts the words of memories and closed versions again that an older revision of the tokenizer has counted, tenant by tenant and batch by batch, and goes on where the last run
 * ended. Recall finds them all the while, by the words they have. Once none is left, a run is one look. @throws as forEachTenant: the next run begins anew
 */
export async function recountWords(worker: Database, signal: AbortSignal): Promise<JobReport> {
  const progress = singly(worker, { role: 'soma_worker', tenantId: null })
  const from = await findPlace(worker)
  if (!from) return { done: 0, remaining: false }
  let done = 0
  const keep = async (place: Place, recounted: number) => {
    done += recounted
    await progress.query(
      `update words_recounted set done_past = $2::boolean, done_tenant = $3::integer, done_key = $4::bigint, done_version = $5::integer, recounted = recounted + $6::bigint
       where tokenizer = $1::smallint`,
      [tokenizerRevision, place.past, place.tenant, place.key, place.version, recounted],
    )
  }
  try {
    for (const table of tables.filter(({ past }) => past || !from.past)) if (!(await recountTable(worker, table, from, keep, signal))) return { done, remaining: true }
  } catch (error) {
    // who failed was passed by
    await keep(start, 0)
    throw error
  }
  // whole: what came meanwhile from elsewhere is found by another round
  const [round] = await progress.query<{ is_done: boolean }>(
    `update words_recounted set done_past = false, done_tenant = 0, done_key = 0, done_version = 0, recounted = 0,
       done_at = case when recounted = 0 and begun_at < now() - $2::interval then now() end
     where tokenizer = $1::smallint returning done_at is not null as is_done`,
    [tokenizerRevision, settled],
  )
  return { done, remaining: round?.is_done === false && done > 0 }
}

/** Where a run goes on; undefined when all is done. */
async function findPlace(worker: Database): Promise<Place | undefined> {
  const read = () =>
    worker.statement<Place & { done: boolean }>(
      { role: 'soma_worker', tenantId: null, readOnly: true },
      `select w.done_at is not null as done, w.done_past as past, w.done_tenant as tenant, w.done_key as key, w.done_version as version from words_recounted w where w.tokenizer = $1::smallint`,
      [tokenizerRevision],
    )
  const [row] = await read()
  if (row) return row.done ? undefined : row
  await worker.statement({ role: 'soma_worker', tenantId: null }, 'insert into words_recounted (tokenizer) values ($1::smallint) on conflict do nothing', [tokenizerRevision])
  return start
}

/** Answers whether the table was gone through to its end. */
function recountTable(worker: Database, table: Table, from: Place, keep: (place: Place, recounted: number) => Promise<void>, signal: AbortSignal): Promise<boolean> {
  const goesOn = table.past === from.past
  return forEachTenant(worker, signal, async (tenant) => {
    if (goesOn && tenant < from.tenant) return
    let place: Place | undefined = goesOn && tenant === from.tenant ? from : { ...start, past: table.past, tenant }
    while (place && !signal.aborted) {
      const page = await table.page(singly(worker, { role: 'soma_worker', tenantId: tenant, readOnly: true }), place)
      const rows = page.rows
      const recounted = rows.length ? await worker.transaction({ role: 'soma_worker', tenantId: tenant }, (tx) => table.write(tx, tenant, rows)) : 0
      place = page.last
      if (place) await keep(place, recounted)
    }
  })
}
