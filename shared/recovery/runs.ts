import { randomUUID } from 'node:crypto'
import type { Database, Sql } from '../db/index.ts'
import { AppError } from '../problem/index.ts'

export type RunKind = 'backup' | 'drill'
export type RunState = 'requested' | 'running' | 'succeeded' | 'failed'
/** What a run came to. A `problem` makes it a failed one. */
export type Outcome = { archive?: string | null; instant?: string | null; problem?: string | null; report?: string; signature?: string; publicKey?: string }
/** What its work may say while it goes on. */
export type Running = { id: string; told(more: { archive?: string; scratch?: string }): Promise<void> }

const access = { role: 'soma_worker', tenantId: null } as const
/** A run says so often that it is alive; after so long without a word it is over. */
const heartbeatMs = 20_000
export const silentSeconds = 180
/** Runs that ended before this are forgotten, but for the last of each kind and outcome. */
const keptDays = 400

/**
 * Runs a backup or a drill that others can see: alone of its kind, alive or taken for dead, and its outcome kept. The work answers what it came to; what it throws is
 * kept as the problem, and thrown on. @throws AppError conflict while another is running
 */
export async function withRun<T extends Outcome>(
  worker: Database,
  { kind, by, apart = false, asked = !apart }: { kind: RunKind; by: string; apart?: boolean /** It does what somebody may have asked for. */; asked?: boolean },
  work: (running: Running) => Promise<T>,
): Promise<T & { id: string }> {
  const id = await claim(worker, { kind, by, apart, asked })
  const beat = setInterval(
    () => void worker.statement(access, `update recovery_runs set alive_at = now() where run_id = $1::uuid and state = 'running'`, [id]).catch(() => {}),
    heartbeatMs,
  )
  try {
    const outcome = await work({
      id,
      told: async ({ archive, scratch }) => {
        await worker.statement(
          access,
          'update recovery_runs set archive = coalesce($2::text, archive), scratch = coalesce($3::text, scratch), alive_at = now() where run_id = $1::uuid',
          [id, archive ?? null, scratch ?? null],
        )
      },
    })
    await end(worker, id, outcome)
    return { ...outcome, id }
  } catch (error) {
    // what ended the work may be that the database is gone: then the run is taken for dead later
    await end(worker, id, { problem: error instanceof Error ? error.message : String(error) }).catch(() => {})
    throw error
  } finally {
    clearInterval(beat)
  }
}

function claim(worker: Database, { kind, by, apart, asked: takes }: { kind: RunKind; by: string; apart: boolean; asked: boolean }): Promise<string> {
  return worker.transaction(access, async (tx) => {
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('soma recovery ' || current_schema() || $1::text, 0))`, [kind])
    await endSilent(tx, kind)
    const [other] = await tx.query<{ started_at: Date; requested_by: string }>(`select started_at, requested_by from recovery_runs where kind = $1::text and state = 'running'`, [
      kind,
    ])
    if (other) throw new AppError('conflict', `A ${kind} is running since ${other.started_at.toISOString()}, for ${other.requested_by}: it has to end first.`)
    const [asked] = !takes
      ? []
      : await tx.query<{ run_id: string }>(
          `update recovery_runs set state = 'running', started_at = now(), alive_at = now() where run_id =
         (select run_id from recovery_runs where kind = $1::text and state = 'requested' order by requested_at, run_id limit 1) returning run_id`,
          [kind],
        )
    if (asked) return asked.run_id
    const id = randomUUID()
    await tx.query(
      `insert into recovery_runs (run_id, kind, state, requested_by, started_at, alive_at, apart) values ($1::uuid, $2::text, 'running', $3::text, now(), now(), $4::boolean)`,
      [id, kind, by, apart],
    )
    await tx.query(
      `delete from recovery_runs r where r.kind = $1::text and r.ended_at < now() - interval '${keptDays} days'
         and exists (select from recovery_runs n where n.kind = r.kind and n.state = r.state and n.requested_at > r.requested_at)`,
      [kind],
    )
    return id
  })
}

/** A run that has said nothing for so long is over. */
export async function endSilent(sql: Sql, kind: RunKind): Promise<void> {
  await sql.query(
    `update recovery_runs set state = 'failed', ended_at = now(), problem = 'The process that ran it is gone: it said nothing for three minutes.'
     where kind = $1::text and state = 'running' and alive_at < now() - interval '${silentSeconds} seconds'`,
    [kind],
  )
}

/** What was asked for and cannot begin has failed: who asked reads why, and no later tick tries it again. */
export async function endRequested(worker: Database, kind: RunKind, problem: string): Promise<void> {
  await worker.statement(access, `update recovery_runs set state = 'failed', ended_at = now(), problem = $2::text where kind = $1::text and state = 'requested'`, [kind, problem])
}

async function end(worker: Database, id: string, { archive, instant, problem, report, signature, publicKey }: Outcome): Promise<void> {
  await worker.statement(
    access,
    `update recovery_runs set state = case when $4::text is null then 'succeeded' else 'failed' end, ended_at = now(), archive = coalesce($2::text, archive), instant = $3::timestamptz,
       problem = $4::text, report = $5::text, signature = $6::text, public_key = $7::text, scratch = null where run_id = $1::uuid and state = 'running'`,
    [id, archive ?? null, instant ?? null, problem ?? null, report ?? null, signature ?? null, publicKey ?? null],
  )
}

/** The schemas of drills that are going on: everything else that is left of drills can be removed. */
export async function scratchesInUse(worker: Database): Promise<Set<string>> {
  const rows = await worker.statement<{ scratch: string }>(
    { ...access, readOnly: true },
    `select scratch from recovery_runs where kind = 'drill' and state = 'running' and scratch is not null and alive_at >= now() - interval '${silentSeconds} seconds'`,
  )
  return new Set(rows.map((row) => row.scratch))
}

/** The archives that a drill has restored without a fault. */
export async function provedArchives(worker: Database): Promise<Set<string>> {
  const rows = await worker.statement<{ archive: string }>(
    { ...access, readOnly: true },
    `select distinct archive from recovery_runs where kind = 'drill' and state = 'succeeded' and archive is not null and not apart`,
  )
  return new Set(rows.map((row) => row.archive))
}
