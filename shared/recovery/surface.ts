import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { pageQuery, readCursor, signCursor } from '../memory/index.ts'
import { AppError } from '../problem/index.ts'
import { appendAudit, type Ctx, requireScope } from '../tenant/index.ts'
import type { RunKind, RunState } from './runs.ts'

/** A backup or a drill as operators see it. `instant` is what the archive holds; the report is null before the end. */
export type RunOut = {
  id: string
  kind: RunKind
  state: RunState
  archive: string | null
  instant: string | null
  requested_by: string
  requested_at: string
  started_at: string | null
  ended_at: string | null
  problem: string | null
  report: Record<string, unknown> | null
}
/** With what it takes to tell that nobody changed it: the report's text as it was signed, its Ed25519 signature in base64, and the public key of then in PEM. */
export type RunDetails = RunOut & { signed_report: string | null; signature: string | null; public_key: string | null }
type Row = Omit<RunOut, 'id' | 'instant' | 'requested_at' | 'started_at' | 'ended_at' | 'report'> & {
  run_id: string
  instant: Date | null
  requested_at: Date
  started_at: Date | null
  ended_at: Date | null
  report: string | null
  signature: string | null
  public_key: string | null
  at_text: string
}

const access = { role: 'soma_worker', tenantId: null } as const
const columns = 'run_id, kind, state, archive, instant, requested_by, requested_at, started_at, ended_at, problem, report, signature, public_key, requested_at::text as at_text'
const scopeOf = { backup: 'platform:backups', drill: 'platform:drills' } as const

export const RunsIn = z.strictObject(pageQuery)

/** The runs of a kind, the newest first; with a key of the tenant "system" that has platform:backups or platform:drills. @throws AppError forbidden, invalid */
export async function listRuns(ctx: Ctx, kind: RunKind, query: unknown): Promise<{ items: RunOut[]; next_cursor: string | null }> {
  requireScope(ctx, scopeOf[kind])
  const { limit, cursor } = RunsIn.parse(query)
  const bound = ['runs', kind]
  const after = cursor === undefined ? null : (readCursor(ctx, bound, cursor) as [string, string])
  const rows = await ctx.worker.statement<Row>(
    { ...access, readOnly: true },
    `select ${columns} from recovery_runs where kind = $1::text and ($2::timestamptz is null or (requested_at, run_id) < ($2::timestamptz, $3::uuid))
     order by requested_at desc, run_id desc limit ${limit + 1}`,
    [kind, after?.[0] ?? null, after?.[1] ?? null],
  )
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { items: page.map(runOut), next_cursor: rows.length > limit && last ? signCursor(ctx, bound, [last.at_text, last.run_id]) : null }
}

/** @throws AppError forbidden, not_found */
export async function getRun(ctx: Ctx, kind: RunKind, id: string): Promise<RunDetails> {
  requireScope(ctx, scopeOf[kind])
  const known = z.uuid().safeParse(id)
  const [row] = known.success
    ? await ctx.worker.statement<Row>({ ...access, readOnly: true }, `select ${columns} from recovery_runs where kind = $1::text and run_id = $2::uuid`, [kind, id])
    : []
  if (!row) throw new AppError('not_found', `There is no ${kind} of that id.`)
  return { ...runOut(row), signed_report: row.signature === null ? null : row.report, signature: row.signature, public_key: row.public_key }
}

/** Asks for a run, which the scheduled job begins with its next turn; where one waits already, it is that one. @throws AppError forbidden */
export async function requestRun(ctx: Ctx, kind: RunKind): Promise<RunOut> {
  requireScope(ctx, scopeOf[kind])
  return ctx.worker.transaction({ ...access, tenantId: ctx.tenantId }, async (tx) => {
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('soma recovery ' || current_schema() || $1::text, 0))`, [kind])
    const [waiting] = await tx.query<Row>(`select ${columns} from recovery_runs where kind = $1::text and state = 'requested' order by requested_at limit 1`, [kind])
    if (waiting) return runOut(waiting)
    const id = randomUUID()
    const [row] = await tx.query<Row>(`insert into recovery_runs (run_id, kind, state, requested_by) values ($1::uuid, $2::text, 'requested', $3::text) returning ${columns}`, [
      id,
      kind,
      ctx.actor,
    ])
    await appendAudit(tx, ctx, `${kind}.request`, id)
    return runOut(row as Row)
  })
}

function runOut({ run_id: id, at_text: _at, signature: _signature, public_key: _publicKey, report, instant, requested_at, started_at, ended_at, ...rest }: Row): RunOut {
  return {
    id,
    ...rest,
    instant: instant?.toISOString() ?? null,
    requested_at: requested_at.toISOString(),
    started_at: started_at?.toISOString() ?? null,
    ended_at: ended_at?.toISOString() ?? null,
    report: report === null ? null : JSON.parse(report),
  }
}
