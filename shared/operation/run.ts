import { randomUUID } from 'node:crypto'
import { type Database, type Sql, singly } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { AppError, type ProblemCode } from '../problem/index.ts'
import { forEachTenant } from '../tenant/index.ts'
import type { WorkKind } from './operation.ts'

/** A run that died is followed by another after this. */
const leaseSeconds = 120

/** What may be over at the next attempt. */
const passing = new Set<ProblemCode>(['unavailable', 'timeout', 'conflict'])

export type Step = { tenantId: number; actor: string; request: Record<string, unknown>; result: Record<string, unknown>; progress: number }
/** Does the next part of an operation in the transaction it is given, and answers what there is so far; `progress: 1` ends it. Doing a part again must be harmless. */
export type Work = (tx: Sql, step: Step) => Promise<{ progress: number; result: Record<string, unknown> }>
type Claimed = { operation_id: string; kind: WorkKind; actor: string; request: Record<string, unknown>; result: Record<string, unknown> | null; progress: number }

/** Takes open operations to their end, part by part, each part in a transaction with its progress, so that a run that dies loses none and does none twice. */
export async function runOperations(worker: Database, works: Record<WorkKind, Work>, signal: AbortSignal): Promise<JobReport> {
  let done = 0
  const broken: unknown[] = []
  const all = await forEachTenant(worker, signal, async (tenantId) => {
    for (let claimed = await claim(worker, tenantId); claimed; claimed = signal.aborted ? undefined : await claim(worker, tenantId)) {
      if (await finish(worker, tenantId, claimed, works[claimed.kind], signal, (error) => broken.push(error))) done++
    }
  })
  // each has ended as failed and holds up nobody; the log of this run says why
  if (broken.length) throw new AggregateError(broken, `${broken.length} operations could not be carried out.`)
  return { done, remaining: !all }
}

async function claim(worker: Database, tenantId: number): Promise<(Claimed & { owner: string }) | undefined> {
  const owner = randomUUID()
  const [row] = await singly(worker, { role: 'soma_worker', tenantId }).query<Claimed>(
    `update operations o set state = 'running', lease_owner = $2::uuid, lease_expires_at = now() + make_interval(secs => ${leaseSeconds}), updated_at = now()
     where o.tenant_id = $1::integer and o.operation_id = (
       select p.operation_id from operations p where p.tenant_id = $1::integer and p.state in ('pending', 'running') and (p.lease_expires_at is null or p.lease_expires_at < now())
       order by p.created_at limit 1 for update skip locked)
     returning o.operation_id, o.kind, o.actor, o.request, o.result, o.progress`,
    [tenantId, owner],
  )
  return row && { ...row, owner }
}

/** False when the signal or another run came in between. @throws AppError while the database cannot be used: its lease runs out, and another run goes on */
async function finish(
  worker: Database,
  tenantId: number,
  claimed: Claimed & { owner: string },
  work: Work,
  signal: AbortSignal,
  onBroken: (error: unknown) => void,
): Promise<boolean> {
  const step: Step = { tenantId, actor: claimed.actor, request: claimed.request, result: claimed.result ?? {}, progress: claimed.progress }
  const access = { role: 'soma_worker', tenantId } as const
  try {
    while (!signal.aborted) {
      const held = await worker.transaction(access, async (tx) => {
        const after = await work(tx, step)
        const rows = await tx.query(
          `update operations o set progress = $4::double precision, result = $5::jsonb, state = case when $4::double precision >= 1 then 'succeeded' else 'running' end, updated_at = now(),
             request = case when $4::double precision >= 1 then '{}' else o.request end,
             lease_expires_at = case when $4::double precision >= 1 then null else now() + make_interval(secs => ${leaseSeconds}) end
           where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.lease_owner = $3::uuid returning 1`,
          [tenantId, claimed.operation_id, claimed.owner, after.progress, JSON.stringify(after.result)],
        )
        // another run took it over: what this part did must not stand beside what that one does
        if (!rows.length) throw new LeaseLost('The lease of the operation is another run’s.')
        return after
      })
      Object.assign(step, held)
      if (held.progress >= 1) return true
    }
    await release(worker, tenantId, claimed)
    return false
  } catch (error) {
    if (error instanceof LeaseLost) return false
    if (error instanceof AppError && passing.has(error.code)) throw error
    const known = error instanceof AppError
    if (!known) onBroken(error)
    await fail(worker, tenantId, claimed, known ? error : new AppError('internal', 'It could not be carried out; the reason is in the log.'))
    return true
  }
}

class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

/** Gives it back at once, so that the next run need not wait for the lease. */
async function release(worker: Database, tenantId: number, { operation_id, owner }: { operation_id: string; owner: string }): Promise<void> {
  await worker.statement(
    { role: 'soma_worker', tenantId },
    'update operations o set lease_owner = null, lease_expires_at = null where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.lease_owner = $3::uuid',
    [tenantId, operation_id, owner],
  )
}

async function fail(worker: Database, tenantId: number, { operation_id, owner }: { operation_id: string; owner: string }, error: AppError): Promise<void> {
  await worker.statement(
    { role: 'soma_worker', tenantId },
    `update operations o set state = 'failed', problem = $4::jsonb, lease_expires_at = null, updated_at = now()
     where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.lease_owner = $3::uuid`,
    [tenantId, operation_id, owner, JSON.stringify({ code: error.code, detail: error.message })],
  )
}
