import { randomUUID } from 'node:crypto'
import { type Database, isUnreachable, type Sql, singly } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { AppError, type ProblemCode } from '../problem/index.ts'
import { forEachTenant, soonestOfTenants } from '../tenant/index.ts'
import type { WorkKind } from './operation.ts'

/** A run that died is followed by another after this. */
const leaseSeconds = 120
/** A lease is renewed when this much of it is over. */
const renewAfterMs = 30_000
/** What an operation may go on for until the others have their turn. */
const turnMs = 20_000
/** Something that an operation needs is away: it is tried again after this. */
const postponedSeconds = 30
/** The statements of a part are a batch's work. */
const timeoutMs = 60_000

/** What may be over at the next attempt. */
const passing = new Set<ProblemCode>(['unavailable', 'timeout', 'conflict'])

export type Step = {
  tenantId: number
  id: string
  actor: string
  request: Record<string, unknown>
  result: Record<string, unknown>
  position: Record<string, unknown>
  progress: number
}
/** What there is after a part; `progress: 1` ends it. `position` is kept for the next part, `keepSeconds` says how long its objects are kept from now on. */
export type After = { progress: number; result: Record<string, unknown>; position?: Record<string, unknown>; keepSeconds?: number }
/** Does the next part of an operation in the transaction it is given. Doing a part again must be harmless. */
export type Part = (tx: Sql, step: Step) => Promise<After>
/** Of this run alone: its `id` is no other run's. Work that takes long renews it now and then. */
export type Lease = { id: string; signal: AbortSignal; renew(): Promise<void> }
/** Prepares the next part outside of any transaction, and gives what is to be done in the one that records it; that may be called again when it collides with others. */
export type Work = (step: Step, lease: Lease) => Promise<(tx: Sql) => Promise<After>>
/** Work that needs no preparation. */
export const within =
  (part: Part): Work =>
  async (step) =>
  (tx) =>
    part(tx, step)

type Claimed = Omit<Step, 'tenantId' | 'result'> & { kind: WorkKind; result: Record<string, unknown> | null; owner: string }

/**
 * Takes open operations to their end, part by part, each part in a transaction with its progress, so that a run that dies loses none and does none twice. A long one lets the
 * others have their turn. `onChange` hears of each turn in which an operation changed memories.
 */
export async function runOperations(worker: Database, works: Record<WorkKind, Work>, signal: AbortSignal, onChange: () => void = () => {}): Promise<JobReport> {
  let done = 0
  let parts = 0
  const broken: unknown[] = []
  for (let found = true; found; ) {
    found = false
    const all = await forEachTenant(worker, signal, async (tenantId) => {
      const claimed = await claim(worker, tenantId)
      if (!claimed) return
      found = true
      if (await turn(worker, tenantId, claimed, works[claimed.kind], signal, { onBroken: (error) => broken.push(error), onPart: () => parts++ })) done++
      if (claimed.kind !== 'export') onChange()
    })
    if (!all) return report(false)
  }
  return report(true)

  function report(all: boolean): JobReport {
    // each has ended as failed and holds up nobody; the log of this run says why
    if (broken.length) throw new AggregateError(broken, `${broken.length} operations could not be carried out.`)
    return { done, remaining: !all, detail: { parts } }
  }
}

async function claim(worker: Database, tenantId: number): Promise<Claimed | undefined> {
  const owner = randomUUID()
  const [row] = await singly(worker, { role: 'soma_worker', tenantId }).query<Omit<Claimed, 'owner'>>(
    `update operations o set state = 'running', lease_owner = $2::uuid, lease_expires_at = now() + make_interval(secs => ${leaseSeconds}), updated_at = now()
     where o.tenant_id = $1::integer and o.operation_id = (
       select p.operation_id from operations p where p.tenant_id = $1::integer and p.state in ('pending', 'running') and (p.lease_expires_at is null or p.lease_expires_at < now())
       order by p.updated_at limit 1 for update skip locked)
     returning o.operation_id as id, o.kind, o.actor, o.request, o.result, o.position, o.progress`,
    [tenantId, owner],
  )
  return row && { ...row, owner }
}

/** In how many seconds the next open operation may be taken: now, or when whoever holds it has let it go; null where none is open. */
export function nextOperation(worker: Database, signal: AbortSignal): Promise<number | null> {
  const text = `select extract(epoch from min(coalesce(p.lease_expires_at, now())) - now())::double precision as seconds
    from operations p where p.tenant_id = $1::integer and p.state in ('pending', 'running')`
  return soonestOfTenants(worker, text, signal)
}

type Watch = { onBroken(error: unknown): void; onPart(): void }

/** True when it ended. @throws AppError while the database cannot be used: its lease runs out, and another run goes on */
async function turn(worker: Database, tenantId: number, { owner, kind: _kind, ...claimed }: Claimed, work: Work, signal: AbortSignal, watch: Watch): Promise<boolean> {
  const step: Step = { ...claimed, tenantId, result: claimed.result ?? {} }
  const held = { tenantId, id: claimed.id, owner }
  const lease = leaseOf(worker, held, signal)
  const until = Date.now() + turnMs
  try {
    do {
      const apply = await work(step, lease)
      const after = await worker.transaction({ role: 'soma_worker', tenantId, timeoutMs }, async (tx) => {
        const reached = await apply(tx)
        await record(tx, held, reached)
        return reached
      })
      lease.renewed()
      watch.onPart()
      Object.assign(step, after)
      if (after.progress >= 1) return true
    } while (!signal.aborted && Date.now() < until)
    await release(worker, held)
    return false
  } catch (error) {
    if (error instanceof LeaseLost) return false
    if (isUnreachable(error)) throw error
    // what was cut short by the end of this run is done by the next
    if (signal.aborted) await release(worker, held)
    else if (error instanceof AppError && error.code === 'unavailable') await release(worker, held, postponedSeconds)
    else if (error instanceof AppError && passing.has(error.code)) throw error
    else {
      const known = error instanceof AppError
      if (!known) watch.onBroken(error)
      await fail(worker, held, known ? error : new AppError('internal', 'It could not be carried out; the reason is in the log.'))
      return true
    }
    return false
  }
}

type Held = { tenantId: number; id: string; owner: string }

function leaseOf(worker: Database, { tenantId, id, owner }: Held, signal: AbortSignal): Lease & { renewed(): void } {
  let at = Date.now()
  return {
    id: owner,
    signal,
    renewed() {
      at = Date.now()
    },
    async renew() {
      signal.throwIfAborted()
      if (Date.now() - at < renewAfterMs) return
      const rows = await singly(worker, { role: 'soma_worker', tenantId }).query(
        `update operations o set lease_expires_at = now() + make_interval(secs => ${leaseSeconds}) where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.lease_owner = $3::uuid returning 1`,
        [tenantId, id, owner],
      )
      if (!rows.length) throw new LeaseLost('The lease of the operation is another run’s.')
      at = Date.now()
    },
  }
}

async function record(tx: Sql, { tenantId, id, owner }: Held, { progress, result, position, keepSeconds }: After): Promise<void> {
  const rows = await tx.query(
    `update operations o set progress = $4::double precision, result = $5::jsonb, state = case when $4::double precision >= 1 then 'succeeded' else 'running' end, updated_at = now(),
       position = coalesce($6::jsonb, o.position), objects_until = coalesce(now() + make_interval(secs => $7::double precision), o.objects_until),
       request = case when $4::double precision >= 1 then '{}' else o.request end,
       lease_expires_at = case when $4::double precision >= 1 then null else now() + make_interval(secs => ${leaseSeconds}) end
     where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.lease_owner = $3::uuid returning 1`,
    [tenantId, id, owner, progress, JSON.stringify(result), position ? JSON.stringify(position) : null, keepSeconds ?? null],
  )
  // another run took it over: what this part did must not stand beside what that one does
  if (!rows.length) throw new LeaseLost('The lease of the operation is another run’s.')
}

class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

/** Gives it back, so that the next run need not wait for the lease; not to be taken before so many seconds are over. */
async function release(worker: Database, { tenantId, id, owner }: Held, afterSeconds?: number): Promise<void> {
  await worker.statement(
    { role: 'soma_worker', tenantId },
    `update operations o set lease_owner = null, lease_expires_at = now() + make_interval(secs => $4::double precision)
     where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.lease_owner = $3::uuid`,
    [tenantId, id, owner, afterSeconds ?? null],
  )
}

async function fail(worker: Database, { tenantId, id, owner }: Held, error: AppError): Promise<void> {
  await worker.statement(
    { role: 'soma_worker', tenantId },
    `update operations o set state = 'failed', problem = $4::jsonb, lease_expires_at = null, updated_at = now()
     where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.lease_owner = $3::uuid`,
    [tenantId, id, owner, JSON.stringify({ code: error.code, detail: error.message })],
  )
}
