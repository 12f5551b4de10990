import { type Database, type Sql, singly } from '../db/index.ts'
import { type Embedders, isOf, plainText } from '../embed/index.ts'
import { AppError } from '../problem/index.ts'
import { appendAudit, systemTenantId } from '../tenant/index.ts'
import { type Model, type Roles, readRoles, resolveModel } from '../vector/index.ts'
import { objectionTo, statusOf } from './status.ts'

/** Who does it: for the audit log of the tenant system. */
export type Operator = { actor: string; requestId: string }
const asSystem = { role: 'soma_worker', tenantId: systemTenantId } as const
/** A switch looks at all memories while index-vectors waits. */
const switchMs = 600_000

/** Has the vectors of EMBEDDER_NEXT's model made beside those of the model that is searched. @throws AppError invalid, conflict; unavailable when its embedder cannot be used */
export async function introduceModel(worker: Database, { embedder, next }: Embedders, operator: Operator): Promise<Roles> {
  if (!next) throw new AppError('invalid', 'EMBEDDER_NEXT is missing: it and EMBEDDING_NEXT_URL, EMBEDDING_NEXT_MODEL and EMBEDDING_NEXT_DIM say which model is introduced.')
  const [probe] = await next.embed([plainText])
  if (probe?.length !== next.dimension) throw new AppError('unavailable', `The embedder of ${next.model} answers ${probe?.length ?? 0} numbers instead of ${next.dimension}.`)
  const keys = { current: await resolveModel(worker, embedder), next: await resolveModel(worker, next) }
  if (!(await readRoles(singly(worker, { ...asSystem, readOnly: true }))))
    await refuseOtherConfiguration(worker, { key: keys.current, name: embedder.model, dimension: embedder.dimension })
  return worker.transaction(asSystem, async (tx) => {
    await tx.query('insert into embedding_roles (searched) values ($1::smallint) on conflict do nothing', [keys.current])
    const { searched, kept } = await lockRoles(tx)
    if (!isOf(embedder, searched) && !isOf(next, searched))
      throw new AppError(
        'conflict',
        `The model that is searched is ${nameOf(searched)}: EMBEDDER and what belongs to it must name that one, and EMBEDDER_NEXT the model to introduce.`,
      )
    if (searched.key === keys.next) throw new AppError('conflict', `${nameOf(searched)} is the model that is searched already.`)
    if (kept && kept.key !== keys.next) throw new AppError('conflict', `${nameOf(kept)} is still kept: drop it first, three models at once are not looked after.`)
    await tx.query('update embedding_models set dropped_at = null where model_key = $1::smallint', [keys.next])
    await tx.query('update embedding_roles set kept = $1::smallint, changed_at = now()', [keys.next])
    if (!kept) await appendAudit(tx, { ...operator, tenantId: systemTenantId }, 'model.introduce', next.model, { dimension: next.dimension })
    return rolesAfter(tx)
  })
}

/** The first introduction says what is searched now. Of that model there are vectors, or the command was not given the configuration of the servers. */
async function refuseOtherConfiguration(worker: Database, model: Model): Promise<void> {
  const { covered, missing } = await statusOf(worker, { ...model, use: null, progress: null }, new AbortController().signal)
  if (covered === 0 && missing > 0)
    throw new AppError(
      'conflict',
      `EMBEDDER names ${nameOf(model)}, of which there is no vector here: run this with the configuration of the servers, and EMBEDDER_NEXT beside it.`,
    )
}

/**
 * Makes the kept model the searched one, and the other way round, in one transaction: every recall whose snapshot is younger follows. What it lacks is queued
 * for its vectors, so that recall embeds that itself, and counted. @throws AppError conflict when it lacks any before, unless forced
 */
export async function switchModel(
  worker: Database,
  name: string,
  operator: Operator,
  { force, signal, engine = false }: { force: boolean; signal: AbortSignal; engine?: boolean },
): Promise<{ roles: Roles; queued: number }> {
  const before = await readRoles(singly(worker, { ...asSystem, readOnly: true }))
  const target = keptOf(before, name)
  if (!force) {
    const objection = objectionTo(await statusOf(worker, { ...target, use: 'kept', progress: null }, signal, { engine }))
    if (objection) throw new AppError('conflict', `${objection} The job reembed makes vectors; --force searches it all the same.`)
  }
  signal.throwIfAborted()
  return worker.transaction({ ...asSystem, timeoutMs: switchMs }, async (tx) => {
    const roles = await lockRoles(tx)
    if (roles.kept?.key !== target.key) throw new AppError('conflict', 'The models were changed at the same moment: look at `soma models status`.')
    await tx.query('update embedding_roles set searched = kept, kept = searched, changed_at = now()')
    const tenants = await tx.query<{ tenant_id: number }>('select tenant_id from tenants order by tenant_id')
    let queued = 0
    for (const { tenant_id: tenantId } of tenants) queued += await queueMissing(tx, tenantId, target.key)
    await actFor(tx, systemTenantId)
    await appendAudit(tx, { ...operator, tenantId: systemTenantId }, 'model.switch', target.name, { from: roles.searched.name, queued, force })
    return { roles: await rolesAfter(tx), queued }
  })
}

/**
 * No vector is made of the kept model any more, and those it has are removed by the job; so are those of a model that was configured once and has no part.
 * @throws AppError conflict when recall searches it, not_found
 */
export async function dropModel(worker: Database, name: string, operator: Operator): Promise<Roles> {
  return worker.transaction(asSystem, async (tx) => {
    const { searched, kept } = await lockRoles(tx)
    if (searched.name === name && kept?.name !== name) throw new AppError('conflict', `${name} is the model that is searched: switch to another one first.`)
    const dropped = await tx.query<{ model_key: number }>(
      `update embedding_models set dropped_at = now() where name = $1::text and model_key <> $2::smallint and dropped_at is null and ($3::smallint is null or model_key = $3::smallint) returning model_key`,
      [name, searched.key, kept?.name === name ? kept.key : null],
    )
    if (!dropped.length) throw new AppError('not_found', `There is no model ${name} here, or it was dropped already.`)
    const keys = dropped.map((row) => row.model_key)
    await tx.query(`update embedding_roles set kept = case when kept = any ($1::smallint[]) then null else kept end, changed_at = now(), progress = progress - $2::text[]`, [
      keys,
      keys.map(String),
    ])
    await appendAudit(tx, { ...operator, tenantId: systemTenantId }, 'model.drop', name, { model_keys: keys })
    return rolesAfter(tx)
  })
}

/** What the model lacks waits for its vector from now on, overdue at once; what it has does not wait, whatever it waited for. */
async function queueMissing(tx: Sql, tenantId: number, model: number): Promise<number> {
  await actFor(tx, tenantId)
  await tx.query(
    `delete from vector_pending q using vectors v where q.tenant_id = $1::integer and v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key = q.memory_key and v.version = q.version`,
    [tenantId, model],
  )
  const [row] = await tx.query<{ count: string }>(
    `with queued as (
       insert into vector_pending (tenant_id, memory_key, namespace_key, user_key, version, queued_at)
       select m.tenant_id, m.memory_key, m.namespace_key, m.user_key, m.version, to_timestamp(0) from memories m
       left join vectors v on v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key = m.memory_key and v.version = m.version
       where m.tenant_id = $1::integer and v.memory_key is null on conflict (tenant_id, memory_key) do nothing returning 1)
     select count(*) as count from queued`,
    [tenantId, model],
  )
  return Number(row?.count ?? 0)
}

const actFor = (tx: Sql, tenantId: number) => tx.query(`select set_config('soma.tenant', $1::text, true)`, [String(tenantId)])
const nameOf = ({ name, dimension }: Model) => `${name} with ${dimension} numbers`

async function lockRoles(tx: Sql): Promise<Roles> {
  await tx.query('select from embedding_roles for update')
  return rolesAfter(tx)
}

async function rolesAfter(tx: Sql): Promise<Roles> {
  const roles = await readRoles(tx)
  if (!roles) throw noneKept()
  return roles
}

function keptOf(roles: Roles | undefined, name: string): Model {
  if (!roles?.kept) throw noneKept()
  if (roles.kept.name === name) return roles.kept
  const searched = roles.searched.name === name ? ` ${name} is the model that is searched: switch to ${roles.kept.name} first, or leave it.` : ''
  throw new AppError('conflict', `The model that is kept beside is ${roles.kept.name}, not ${name}.${searched}`)
}

const noneKept = () => new AppError('conflict', 'There is one model only: `soma models introduce` begins with another one.')
