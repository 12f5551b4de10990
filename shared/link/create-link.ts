import type { Sql } from '../db/index.ts'
import { type Call, finishedCall, presentAt, requestHash, uuidv7 } from '../memory/index.ts'
import { AppError, type FieldError } from '../problem/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { recordChange } from './record-change.ts'
import { assertEndsWithin, type LinkRow, linkOf, selectLink } from './rows.ts'
import { LinkIn, type LinkOut } from './schema.ts'

/** `link` is its id alone when a repeated call finds that the link it made is gone. */
export type Linked = { status: 200 | 201; replayed: boolean; link: LinkOut | Pick<LinkOut, 'id'> }

/**
 * Links two memories: 201, or 200 when a link of this type leads from one to the other already; then its weight is replaced, and its metadata when some
 * is given. @throws AppError forbidden, invalid when an end is no present memory, idempotency_*
 */
export async function createLink(ctx: Ctx, body: unknown, idempotencyKey?: string): Promise<Linked> {
  requireScope(ctx, 'memory:write')
  const input = LinkIn.parse(body)
  const call: Call = { key: idempotencyKey, hash: requestHash('link', body) }
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId }, async (tx) => {
    const finished = await finishedCall(tx, ctx, call)
    if (finished) {
      const { id } = finished.result as { id: string }
      const row = await selectLink(tx, ctx.tenantId, id)
      if (row) await assertEndsWithin(tx, ctx, row)
      const made = { weight: input.weight, ...(input.metadata ? { metadata: input.metadata } : {}) }
      return { status: finished.status as 200 | 201, replayed: true, link: row ? { ...linkOf(row), ...made } : { id } }
    }
    const { from, to } = await lockEnds(tx, ctx.tenantId, input)
    await assertEndsWithin(tx, ctx, { from_id: from.id, to_id: to.id })
    const row = (await recordChange<LinkRow & { status: 200 | 201 }>(tx, ctx, {
      type: 'linked',
      call,
      // a new link has version 1, so the version tells which of the two it was
      changed: `written as (
          insert into links as l (tenant_id, id, from_key, to_key, type, weight, metadata, version, created_at, recorded_at)
          select $1::integer, $9::uuid, $10::bigint, $11::bigint, $12::text, $13::double precision, coalesce($14::jsonb, '{}'), 1, i.at, i.at from change_instant() i (at)
          on conflict (tenant_id, from_key, to_key, type) do update set weight = excluded.weight, version = l.version + 1,
            metadata = case when $14::jsonb is null then l.metadata else excluded.metadata end, recorded_at = greatest(l.recorded_at, excluded.recorded_at)
          returning l.id, l.version, l.type, l.weight, l.metadata, l.created_at, l.recorded_at as at
        ), changed as (
          select w.*, $15::uuid as from_id, $16::uuid as to_id, $17::text as namespace,
            case when w.version = 1 then 'link.create' else 'link.update' end as action, case when w.version = 1 then 201 else 200 end as status
          from written w)`,
      values: [uuidv7(), from.memory_key, to.memory_key, input.type, input.weight, input.metadata && JSON.stringify(input.metadata), from.id, to.id, from.namespace],
    })) as LinkRow & { status: 200 | 201 }
    return { status: row.status, replayed: false, link: linkOf(row) }
  })
}

type End = { id: string; memory_key: string; namespace: string }

/** Held until the link is there: whoever forgets one of them waits and then finds the link, or was first and this finds the memory gone. */
async function lockEnds(tx: Sql, tenantId: number, ids: { from: string; to: string }): Promise<{ from: End; to: End }> {
  const rows = await tx.query<End>(
    `select m.id, m.memory_key, m.namespace from memories m where m.tenant_id = $1::integer and m.id = any ($2::uuid[]) and ${presentAt('now()')} order by m.memory_key for key share`,
    [tenantId, [ids.from, ids.to]],
  )
  const [from, to] = [ids.from, ids.to].map((id) => rows.find((row) => row.id === id))
  if (from && to) return { from, to }
  const errors: FieldError[] = [...(from ? [] : ['/from']), ...(to ? [] : ['/to'])].map((pointer) => ({ pointer, detail: 'there is no present memory with this id' }))
  throw new AppError('invalid', 'Nothing was linked: both ends must be present memories.', { errors })
}
