import { randomUUID } from 'node:crypto'
import { type Database, type Sql, singly } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { AppError } from '../problem/index.ts'
import { thisGeneration } from './collections.ts'
import { keptAfter } from './engine-rows.ts'
import type { VectorEngine } from './port.ts'
import { insertAbsent } from './put.ts'
import type { Model } from './roles.ts'

export type BuildDeps = { worker: Database; engine: VectorEngine; models: Model[]; onCopied?: (model: Model, copied: number) => void }
type Building = { name: string; done_tenant: number; done_key: string; copied: string }
/** Vectors that are copied at once. */
const pageRows = 500
/** A run that died is followed by another after this. */
const leaseSeconds = 120
/** A recall that began before the switch may still ask the collection before. */
const retiredFor = `interval '1 minute'`
const anywhere = { role: 'soma_worker', tenantId: null } as const

/**
 * Sees to it that each model has a collection that serves, and removes what nobody asks any more. A collection is copied from Postgres while everything goes on:
 * from before its first page on, whoever writes a vector writes it there too. A run that dies is gone on with from the last page.
 */
export async function buildCollections(deps: BuildDeps, signal: AbortSignal): Promise<JobReport> {
  let done = await removeUnused(deps)
  for (const model of deps.models) {
    if (signal.aborted) return { done, remaining: true }
    if (await serves(deps, model)) continue
    const { finished } = await buildOne(deps, model, signal)
    if (finished) done++
  }
  return { done, remaining: signal.aborted }
}

/** Makes a new collection for each model and has it take over; what a run before has begun is finished instead. @throws AppError conflict while another run builds */
export async function rebuildCollections(deps: BuildDeps, signal: AbortSignal): Promise<{ model: string; collection: string; copied: number }[]> {
  const made = []
  for (const model of deps.models) {
    const { finished, name, copied } = await buildOne(deps, model, signal)
    signal.throwIfAborted()
    if (!finished) throw new AppError('conflict', `Another run builds the collection of ${model.name}: this one ends, and that one goes on.`)
    made.push({ model: model.name, collection: name, copied })
  }
  return made
}

/** Whether recall can ask a collection of this model. One that the engine has lost is given up. */
async function serves({ worker, engine }: BuildDeps, model: Model): Promise<boolean> {
  const sql = singly(worker, anywhere)
  const [row] = await sql.query<{ name: string; building: boolean }>(
    `select c.name, exists (select from vector_collections b where b.model_key = c.model_key and b.generation = c.generation and b.state in ('new', 'building')) as building
     from vector_collections c where c.model_key = $1::smallint and c.generation = ${thisGeneration} and c.state = 'serving'`,
    [model.key],
  )
  if (!row) return false
  if (await engine.has(row.name)) return !row.building
  await sql.query(`update vector_collections set state = 'retired', changed_at = now() where name = $1::text`, [row.name])
  return false
}

async function buildOne(deps: BuildDeps, model: Model, signal: AbortSignal): Promise<{ finished: boolean; name: string; copied: number }> {
  const { worker, engine } = deps
  const owner = randomUUID()
  const building = await claim(worker, model, owner)
  if (!building) return { finished: false, name: '', copied: 0 }
  const { name } = building
  let copied = Number(building.copied)
  try {
    await engine.create(name, model.dimension)
    await worker.transaction(anywhere, async (tx) => {
      // waits for whoever writes a vector now and did not know of it: what they write is committed before the first page is read
      await tx.query('lock table vector_collections in exclusive mode')
      await tx.query(`update vector_collections set state = 'building', changed_at = now() where name = $1::text and state = 'new'`, [name])
    })
    const tenants = await singly(worker, { ...anywhere, readOnly: true }).query<{ tenant_id: number }>(
      'select tenant_id from tenants where tenant_id >= $1::integer order by tenant_id',
      [building.done_tenant],
    )
    for (const { tenant_id: tenantId } of tenants) {
      let after = tenantId === building.done_tenant ? building.done_key : '0'
      for (;;) {
        if (signal.aborted) return { finished: false, name, copied }
        const rows = await keptAfter(singly(worker, { role: 'soma_worker', tenantId, readOnly: true }), tenantId, model.key, after, pageRows)
        if (rows.length) await insertAbsent(engine, name, tenantId, rows)
        const last = rows.at(-1)
        if (last) after = last.memoryKey
        copied += rows.length
        deps.onCopied?.(model, copied)
        if (!(await beat(worker, name, owner, { tenantId, after, copied }))) return { finished: false, name, copied }
        if (rows.length < pageRows) break
      }
      // what was copied is shown from here on
      await engine.count(name, tenantId)
    }
    return { finished: await takeOver(worker, name, owner), name, copied }
  } finally {
    await singly(worker, anywhere).query('update vector_collections set lease_owner = null, lease_expires_at = null where name = $1::text and lease_owner = $2::uuid', [
      name,
      owner,
    ])
  }
}

/** The collection that is being built, begun by this run or by one that is not there any more; undefined while another works on it. */
async function claim(worker: Database, model: Model, owner: string): Promise<Building | undefined> {
  return worker.transaction(anywhere, async (tx) => {
    const [installation] = await tx.query<{ id: string; generation: number }>('select installation_id as id, generation from installation')
    if (!installation) throw new Error('The database has no installation: migrate it first.')
    const name = `soma_${installation.id.replaceAll('-', '').slice(0, 12)}_g${installation.generation}_m${model.key}_${randomUUID().slice(0, 8)}`
    await tx.query(`insert into vector_collections (name, model_key, generation, state) values ($1::text, $2::smallint, $3::integer, 'new') on conflict do nothing`, [
      name,
      model.key,
      installation.generation,
    ])
    const [row] = await tx.query<Building>(
      `update vector_collections set lease_owner = $3::uuid, lease_expires_at = now() + interval '${leaseSeconds} seconds'
       where model_key = $1::smallint and generation = $2::integer and state in ('new', 'building') and (lease_expires_at is null or lease_expires_at < now())
       returning name, done_tenant, done_key, copied`,
      [model.key, installation.generation, owner],
    )
    return row
  })
}

async function beat(worker: Database, name: string, owner: string, { tenantId, after, copied }: { tenantId: number; after: string; copied: number }): Promise<boolean> {
  const rows = await singly(worker, anywhere).query(
    `update vector_collections set done_tenant = $3::integer, done_key = $4::bigint, copied = $5::bigint, lease_expires_at = now() + interval '${leaseSeconds} seconds'
     where name = $1::text and lease_owner = $2::uuid and state = 'building' returning 1`,
    [name, owner, tenantId, after, copied],
  )
  return rows.length > 0
}

/** One transaction: recalls whose snapshot is younger ask the new one. */
function takeOver(worker: Database, name: string, owner: string): Promise<boolean> {
  return worker.transaction(anywhere, async (tx) => {
    const [mine] = await tx.query<{ model_key: number; generation: number }>(
      `select model_key, generation from vector_collections where name = $1::text and lease_owner = $2::uuid and state = 'building' for update`,
      [name, owner],
    )
    if (!mine) return false
    await retire(tx, `model_key = $1::smallint and generation = $2::integer and state = 'serving'`, [mine.model_key, mine.generation])
    await tx.query(`update vector_collections set state = 'serving', changed_at = now() where name = $1::text`, [name])
    return true
  })
}

const retire = (tx: Sql, condition: string, values: unknown[]) => tx.query(`update vector_collections set state = 'retired', changed_at = now() where ${condition}`, values)

/** Collections of dropped models, of other generations, and those that another has followed. */
async function removeUnused({ worker, engine }: BuildDeps): Promise<number> {
  const sql = singly(worker, anywhere)
  await retire(sql, `state <> 'retired' and (generation <> ${thisGeneration} or model_key in (select e.model_key from embedding_models e where e.dropped_at is not null))`, [])
  const unused = await sql.query<{ name: string }>(`select name from vector_collections where state = 'retired' and changed_at < now() - ${retiredFor} order by name`)
  for (const { name } of unused) {
    await engine.drop(name)
    await sql.query('delete from vector_collections where name = $1::text', [name])
  }
  return unused.length
}
