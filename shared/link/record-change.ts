import type { Sql } from '../db/index.ts'
import { type Call, uuidv7 } from '../memory/index.ts'
import type { Ctx } from '../tenant/index.ts'

type Change = { type: 'linked' | 'unlinked'; call: Call /** CTEs, the last of them `changed`; their placeholders begin at $9. */; changed: string; values: unknown[] }

/**
 * Changes a link and leaves its traces in the same statement: event, wake-up, audit row and idempotency record. The CTE `changed` gives at most one
 * row (id, version, from_id, to_id, type, weight, metadata, created_at, namespace, at, action, status), which is the answer.
 */
export async function recordChange<Row>(tx: Sql, ctx: Ctx, { type, call, changed, values }: Change): Promise<Row | undefined> {
  const [row] = await tx.query<Row>(
    `with ${changed}, event as (
       insert into outbox (tenant_id, event_id, type, id, version, body, traceparent, created_at, next_attempt_at)
       select $1::integer, $2::uuid, $3::text, c.id, c.version,
         jsonb_build_object('namespace', c.namespace, 'payload', jsonb_build_object('from', c.from_id, 'to', c.to_id, 'type', c.type, 'weight', c.weight, 'metadata', c.metadata)),
         $4::text, c.at, c.at from changed c
     ), ready as (
       insert into outbox_ready (tenant_id, not_before) select $1::integer, c.at from changed c
     ), audited as (
       insert into audit_log (tenant_id, at, actor, action, target, request_id, detail)
       select $1::integer, c.at, $5::text, c.action, c.id::text, $6::text, jsonb_build_object('from', c.from_id, 'to', c.to_id) from changed c
     ), kept as (
       insert into idempotency (tenant_id, key, request_hash, status, result, created_at)
       select $1::integer, $7::text, decode($8::text, 'hex'), c.status, jsonb_build_object('id', c.id, 'version', c.version), c.at from changed c where $7::text is not null
     )
     select * from changed`,
    [ctx.tenantId, uuidv7(), type, ctx.traceparent, ctx.actor, ctx.requestId, call.key, call.hash, ...values],
  )
  return row
}
