import * as z from 'zod'
import type { Sql } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'

/** `store` is an append that was journalled: it is recorded when it has ended. The job run-operations does the others. */
export const OperationKind = z.enum(['forget', 'store'])
export type OperationKind = z.output<typeof OperationKind>
export type WorkKind = Exclude<OperationKind, 'store'>

/** Something that goes on after its answer. `progress` is a share of 1; `result` and `problem` are null until it has ended. */
export type OperationOut = {
  id: string
  kind: OperationKind
  state: 'pending' | 'running' | 'succeeded' | 'failed'
  progress: number
  result: Record<string, unknown> | null
  problem: { code: string; detail: string } | null
  created_at: string
  updated_at: string
}
type Row = Omit<OperationOut, 'created_at' | 'updated_at'> & { created_at: Date; updated_at: Date }

/** Leaves work for the job `run-operations`, in the transaction of the caller. `request` holds keys and numbers, never text. Answers its id. */
export async function createOperation(tx: Sql, ctx: Ctx, kind: WorkKind, request: Record<string, unknown>): Promise<string> {
  const [row] = await tx.query<{ id: string }>(
    `insert into operations (tenant_id, operation_id, kind, request, actor) values ($1::integer, gen_random_uuid(), $2::text, $3::jsonb, $4::text) returning operation_id as id`,
    [ctx.tenantId, kind, JSON.stringify({ ...request, request_id: ctx.requestId }), ctx.actor],
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

/** @throws AppError not_found when absent or another tenant's */
export async function getOperation(ctx: Ctx, id: string): Promise<OperationOut> {
  requireScope(ctx, 'memory:read')
  const absent = new AppError('not_found', 'There is no operation with this id.')
  if (!z.uuid().safeParse(id).success) throw absent
  const [row] = await ctx.app.statement<Row>(
    { role: 'soma_app', tenantId: ctx.tenantId, readOnly: true },
    `select o.operation_id as id, o.kind, o.state, o.progress, o.result, o.problem, o.created_at, o.updated_at from operations o where o.tenant_id = $1::integer and o.operation_id = $2::uuid`,
    [ctx.tenantId, id],
  )
  if (!row) throw absent
  return { ...row, created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString() }
}
