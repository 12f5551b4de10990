import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, singly } from '../db/index.ts'
import { type Embedders, embedderOf } from '../embed/index.ts'
import type { JobReport } from '../handler/index.ts'
import { forEachTenant } from '../tenant/index.ts'
import { type Model, readRoles, type VectorEngine } from '../vector/index.ts'
import { coverageOf, nothing, sum } from './coverage.ts'
import { fillTenant } from './fill.ts'
import { removeDropped } from './remove.ts'

export type ReembedDeps = Embedders & {
  worker: Database
  engine?: VectorEngine | undefined
  perSecond: number
  onRefused: (place: { tenantId: number; memoryKey: string; model: string }, error: unknown) => void
}
/** Vectors that a model has, of those that it should have: memories and closed versions. Kept for the metrics, and for who asks. */
export type Progress = {
  covered: number
  total: number
  per_second: number
  counted_at: string /** How long it took to find nothing to do; 0 where there was something. */
  idle_ms: number
}
/** A run that died is followed by another after this; so long, as counting a very large tenant is one statement. */
const leaseSeconds = 600
const keepMs = 30_000
/** Looking for nothing takes a twentieth of the time at most, where it takes long. */
const idle = { restTimes: 20, fromMs: 1_000 }

/**
 * Makes what is missing of the model that is kept beside, and of the one that is searched, for all tenants at a bounded pace; then removes what belongs to dropped
 * models. A run that dies loses one batch at most. One run works at a time. @throws AppError while an embedder cannot be used: the next run goes on
 */
export async function reembed(deps: ReembedDeps, signal: AbortSignal): Promise<JobReport> {
  const lease = createLease(deps.worker)
  if (!(await lease.claim())) return { done: 0, remaining: false }
  let done = 0
  const failures: unknown[] = []
  try {
    const roles = await readRoles(singly(deps.worker, everywhere))
    for (const model of [roles?.kept, roles?.searched]) {
      if (!model || signal.aborted) continue
      try {
        done += await fillModel(deps, model, lease, signal)
      } catch (error) {
        // the other model, and what is to be removed, need not wait for its embedder
        failures.push(error)
      }
    }
    const { removed, whole } = await removeDropped(deps.worker, signal)
    if (failures.length) throw failures[0]
    return { done: done + removed, remaining: signal.aborted || !whole }
  } finally {
    await lease.release()
  }
}

const everywhere = { role: 'soma_worker', tenantId: null, readOnly: true } as const

async function fillModel(deps: ReembedDeps, model: Model, lease: Lease, signal: AbortSignal): Promise<number> {
  const { worker } = deps
  if (isResting(await lease.progressOf(model))) return 0
  const began = performance.now()
  const incomplete = new Set<number>()
  let total = nothing
  let keptAt = began
  await forEachTenant(worker, signal, async (tenantId) => {
    if (performance.now() - keptAt > keepMs) {
      keptAt = performance.now()
      await lease.keep()
    }
    const coverage = await coverageOf(worker, tenantId, model)
    total = sum(total, coverage)
    if (coverage.overdue > 0 || coverage.covered_versions < coverage.versions) incomplete.add(tenantId)
  })
  const all = total.memories + total.versions
  const before = total.covered + total.covered_versions
  if (signal.aborted || !(await lease.beat(model, { covered: before, total: all, per_second: 0, idle_ms: 0 }))) return 0
  const started = performance.now()
  const pace = createPace(deps.perSecond)
  let done = 0
  let held = true
  const fill = {
    worker,
    engine: deps.engine,
    model,
    embedder: embedderOf(deps, model),
    onBatch: async (written: number) => {
      done += written
      held = await lease.beat(model, { covered: Math.min(all, before + done), total: all, per_second: Math.round((done * 1000) / (performance.now() - started)), idle_ms: 0 })
      await pace(written, signal)
      return held
    },
  }
  await forEachTenant(worker, signal, async (tenantId) => {
    if (!held || !incomplete.has(tenantId)) return
    await fillTenant({ ...fill, onRefused: (memoryKey, error) => deps.onRefused({ tenantId, memoryKey, model: model.name }, error) }, tenantId, signal)
  })
  if (done === 0 && held && !signal.aborted) await lease.beat(model, { covered: before, total: all, per_second: 0, idle_ms: Math.round(performance.now() - began) })
  return done
}

function isResting(last: Progress | undefined): boolean {
  return last !== undefined && last.idle_ms >= idle.fromMs && Date.now() - Date.parse(last.counted_at) < idle.restTimes * last.idle_ms
}

/** Waits so that no more than `perSecond` are done in the long run. */
function createPace(perSecond: number): (done: number, signal: AbortSignal) => Promise<void> {
  let free = performance.now()
  return async (done, signal) => {
    const now = performance.now()
    free = Math.max(free, now - 1_000) + (done * 1000) / perSecond
    if (free > now) await sleep(free - now, undefined, { signal }).catch(() => {})
  }
}

type Lease = ReturnType<typeof createLease>
function createLease(worker: Database) {
  const owner = randomUUID()
  const sql = singly(worker, { role: 'soma_worker', tenantId: null })
  const until = `now() + make_interval(secs => ${leaseSeconds})`
  return {
    async claim(): Promise<boolean> {
      const rows = await sql.query(
        `update embedding_roles set lease_owner = $1::uuid, lease_expires_at = ${until} where lease_expires_at is null or lease_expires_at < now() returning 1`,
        [owner],
      )
      return rows.length > 0
    },
    async progressOf(model: Model): Promise<Progress | undefined> {
      const [row] = await sql.query<{ last: Progress | null }>('select progress -> $1::text as last from embedding_roles', [String(model.key)])
      return row?.last ?? undefined
    },
    async keep(): Promise<void> {
      await sql.query(`update embedding_roles set lease_expires_at = ${until} where lease_owner = $1::uuid`, [owner])
    },
    /** Keeps the lease and what there is so far; false when another run has it, or the model has no part any more. */
    async beat(model: Model, progress: Omit<Progress, 'counted_at'>): Promise<boolean> {
      const rows = await sql.query(
        `update embedding_roles set lease_expires_at = ${until}, progress = progress || jsonb_build_object($2::text, $3::jsonb)
         where lease_owner = $1::uuid and $2::text in (searched::text, kept::text) returning 1`,
        [owner, String(model.key), JSON.stringify({ ...progress, counted_at: new Date().toISOString() })],
      )
      return rows.length > 0
    },
    async release(): Promise<void> {
      await sql.query('update embedding_roles set lease_owner = null, lease_expires_at = null where lease_owner = $1::uuid', [owner])
    },
  }
}
