import type { Sql } from '../db/index.ts'
import type { Ctx } from './context.ts'

/** Who did what to whom, in the transaction that did it. */
export async function appendAudit(
  tx: Sql,
  ctx: Pick<Ctx, 'tenantId' | 'actor' | 'requestId'>,
  action: string,
  target: string | null,
  detail?: Record<string, unknown>,
): Promise<void> {
  await tx.query(
    'insert into audit_log (tenant_id, at, actor, action, target, request_id, detail) values ($1::integer, now(), $2::text, $3::text, $4::text, $5::text, $6::jsonb)',
    [ctx.tenantId, ctx.actor, action, target, ctx.requestId, detail === undefined ? null : JSON.stringify(detail)],
  )
}
