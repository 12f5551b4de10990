import * as z from 'zod'
import type { Sql } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import type { Ctx } from '../tenant/index.ts'

/** `store` is an append that was journalled: it is recorded when it has ended. The job run-operations does the others. */
export const OperationKind = z.enum(['forget', 'store', 'export', 'import'])
export type OperationKind = z.output<typeof OperationKind>
export type WorkKind = Exclude<OperationKind, 'store'>
/** `waiting`: for whoever made it, to start it. */
export const OperationState = z.enum(['waiting', 'pending', 'running', 'succeeded', 'failed'])
export type OperationState = z.output<typeof OperationState>

/** An object that an export wrote or an import reads, from 1; `url` is where its bytes are fetched from or sent to, null when there is no such way, or none for the caller. */
export type OperationPart = { part: number; bytes: number; lines?: number; sha256?: string; method: 'GET' | 'PUT'; url: string | null; url_expires_at: string | null }

/** Something that goes on after its answer. `progress` is a share of 1; `problem` is null unless it failed; `result` says what came of it so far. */
export type OperationOut = {
  id: string
  kind: OperationKind
  state: OperationState
  progress: number
  result: Record<string, unknown> | null
  problem: { code: string; detail: string } | null
  created_at: string
  updated_at: string
  /** Of an export or import; `parts_until` is when its objects are removed, null when they are gone. */
  parts?: OperationPart[]
  parts_until?: string | null
}
/** What stands behind it, never shown as it is: where the next part begins, and until when its objects are kept. */
export type OperationRow = { shown: OperationOut /** Who began it. */; actor: string; position: Record<string, unknown>; objectsUntil: Date | null }
type Row = Omit<OperationOut, 'created_at' | 'updated_at'> & {
  created_at: Date
  updated_at: Date
  position: Record<string, unknown>
  objects_until: Date | null
  actor: string
}

type More = { state?: 'waiting'; position?: Record<string, unknown>; keepSeconds?: number }
/** Leaves work for the job `run-operations`, in the transaction of the caller. `request` holds keys and numbers, never text. Answers its id. */
export async function createOperation(
  tx: Sql,
  ctx: Pick<Ctx, 'tenantId' | 'actor' | 'requestId'>,
  kind: WorkKind,
  request: Record<string, unknown>,
  { state, position, keepSeconds }: More = {},
): Promise<string> {
  const [row] = await tx.query<{ id: string }>(
    `insert into operations (tenant_id, operation_id, kind, request, actor, state, position, objects_until)
     values ($1::integer, gen_random_uuid(), $2::text, $3::jsonb, $4::text, $5::text, $6::jsonb, now() + make_interval(secs => $7::double precision)) returning operation_id as id`,
    [ctx.tenantId, kind, JSON.stringify({ ...request, request_id: ctx.requestId }), ctx.actor, state ?? 'pending', JSON.stringify(position ?? {}), keepSeconds ?? null],
  )
  return (row as { id: string }).id
}

export type Ended = { id: string; kind: OperationKind; startedAt: string } & Pick<OperationOut, 'result' | 'problem'>

/** Records an operation that has ended already, in the transaction that ended it; false when it was recorded before. */
export async function recordEnded(tx: Sql, { tenantId, actor }: Pick<Ctx, 'tenantId' | 'actor'>, { id, kind, startedAt, result, problem }: Ended): Promise<boolean> {
  const rows = await tx.query(
    `insert into operations (tenant_id, operation_id, kind, actor, state, progress, result, problem, created_at)
     values ($1::integer, $2::uuid, $3::text, $4::text, $5::text, $6::double precision, $7::jsonb, $8::jsonb, $9::timestamptz) on conflict do nothing returning 1`,
    [tenantId, id, kind, actor, problem ? 'failed' : 'succeeded', problem ? 0 : 1, result && JSON.stringify(result), problem && JSON.stringify(problem), startedAt],
  )
  return rows.length > 0
}

/** What the caller may know of it is the caller's to check. @throws AppError not_found when absent or another tenant's */
export async function findOperation(ctx: Ctx, id: string): Promise<OperationRow> {
  const absent = new AppError('not_found', 'There is no operation with this id.')
  if (!z.uuid().safeParse(id).success) throw absent
  const [row] = await ctx.app.statement<Row>(
    { role: 'soma_app', tenantId: ctx.tenantId, readOnly: true },
    `select o.operation_id as id, o.kind, o.state, o.progress, o.result, o.problem, o.created_at, o.updated_at, o.position, o.objects_until, o.actor
     from operations o where o.tenant_id = $1::integer and o.operation_id = $2::uuid`,
    [ctx.tenantId, id],
  )
  if (!row) throw absent
  const { position, objects_until: objectsUntil, actor, created_at, updated_at, ...shown } = row
  return { shown: { ...shown, created_at: created_at.toISOString(), updated_at: updated_at.toISOString() }, actor, position, objectsUntil }
}
