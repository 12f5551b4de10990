import * as z from 'zod'
import type { Database } from '../db/index.ts'
import { fieldErrors, storeJournalled } from '../memory/index.ts'
import { recordEnded } from '../operation/index.ts'
import { AppError, type ProblemCode } from '../problem/index.ts'
import { assertStanding, type Ctx, type Limits, limitsOf } from '../tenant/index.ts'
import { readEntry } from './files.ts'
import type { Entry, Mark } from './line.ts'
import type { Indexed } from './reader.ts'

/** What may be over at the next attempt; everything else is what became of the entry. */
const passing = new Set<ProblemCode>(['timeout', 'conflict', 'idempotency_in_progress'])
/** A defect of ours may be mended, or may be over at the next attempt, but holds up a tenant only so often. */
const mostBroken = 5

/** `limits` are those of a tenant that has none of its own. */
export type ReplayDeps = { directory: string; app: Database; worker: Database; limits: Limits; onBroken: (error: unknown, operation: string) => void }
/** False when an entry that failed could not be kept for the operator: it stays where it is. */
export type Settle = (entry: Entry, segment: string, mark: Mark) => Promise<boolean>
export type ReplayPass = { stored: number; failed: number; waiting: number; unreachable: boolean }

/** Stores entries in their order. One that must wait holds up those of its own tenant only; when the database cannot be reached all wait. */
export async function replayEntries(
  { directory, app, worker, limits, onBroken }: ReplayDeps,
  pending: readonly Indexed[],
  broken: Map<string, number>,
  settle: Settle,
  signal: AbortSignal,
): Promise<ReplayPass> {
  const report: ReplayPass = { stored: 0, failed: 0, waiting: 0, unreachable: false }
  const held = new Set<number>()
  for (const { segment, offset, bytes, operation, tenant_id } of pending) {
    if (signal.aborted || report.unreachable || held.has(tenant_id)) {
      report.waiting += 1
      continue
    }
    const entry = await readEntry(directory, { segment, offset, bytes })
    if (entry?.operation !== operation) throw new Error(`The journal's file ${segment} has changed at ${offset} since it was read.`)
    const ended = { kind: 'done', operation, at: new Date().toISOString() } as const
    try {
      const own = await assertStanding(app, { tenantId: tenant_id, actor: entry.actor }, entry.at, 'memory:write')
      const result = await storeJournalled({ ...ctxOf(entry, app, worker), limits: limitsOf(limits, own) }, entry)
      await settle(entry, segment, { ...ended, state: 'succeeded', result })
      report.stored += 1
    } catch (error) {
      const problem = problemOf(error)
      if (problem?.code === 'unavailable') report.unreachable = true
      else if (problem ? passing.has(problem.code) : countBroken(broken, operation) < mostBroken) held.add(tenant_id)
      if (!problem) onBroken(error, operation)
      if (report.unreachable || held.has(tenant_id)) {
        report.waiting += 1
        continue
      }
      const said = problem ?? new AppError('internal', 'It could not be stored; the reason is in the log.')
      const failed = { code: said.code, detail: said.message }
      try {
        await app.transaction({ role: 'soma_app', tenantId: tenant_id }, (tx) =>
          recordEnded(tx, { tenantId: tenant_id, actor: entry.actor }, { id: operation, kind: 'store', startedAt: entry.at, result: null, problem: failed }),
        )
      } catch (cause) {
        if (!(cause instanceof AppError)) throw cause
        report.unreachable = true
        report.waiting += 1
        continue
      }
      if (await settle(entry, segment, { ...ended, state: 'failed', problem: failed })) report.failed += 1
      else report.waiting += 1
    }
  }
  return report
}

function countBroken(broken: Map<string, number>, operation: string): number {
  const times = (broken.get(operation) ?? 0) + 1
  broken.set(operation, times)
  return times
}

/** The problem that an entry ends with or waits for; undefined for what nobody foresaw. */
function problemOf(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error.code === 'internal' ? undefined : error
  if (error instanceof z.ZodError)
    return new AppError(
      'invalid',
      fieldErrors(error)
        .map(({ pointer, detail }) => `${pointer || '/'} ${detail}`)
        .slice(0, 3)
        .join('; '),
    )
  return undefined
}

function ctxOf(entry: Entry, app: Database, worker: Database): Omit<Ctx, 'limits'> {
  const { tenant_id: tenantId, tenant, actor, request_id: requestId, traceparent } = entry
  return { tenantId, tenant, actor, scopes: new Set(['memory:write']), app, worker, requestId, traceparent, signingKey: '' }
}
