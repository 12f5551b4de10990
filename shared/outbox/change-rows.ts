import * as z from 'zod'
import type { Sql } from '../db/index.ts'
import { type Call, finishedCall, readCursor, recordCall, signCursor } from '../memory/index.ts'
import { AppError, invalidField } from '../problem/index.ts'
import { appendAudit, type Ctx } from '../tenant/index.ts'
import { type ActingTenant, actingTenant } from './acting-tenant.ts'
import { mostIds, type RowFilter, RowId, rowFilter, rowsWhere, type Status } from './row-filter.ts'

/** One call changes so many rows, the oldest; the same call again goes on. */
export const mostRows = 100_000
/** An audit row names the events of so many rows. */
const rowsPerAudit = 500

const { tenant, ...filters } = rowFilter
/** What replay and purge take alike: some rows by id, or what a filter matches, which a dry run counts first. */
export const changeIn = {
  tenant,
  ids: z.array(RowId).min(1).max(mostIds).optional(),
  ...filters,
  dry_run: z.boolean().optional(),
  confirm: z.string().min(1).max(1000).optional(),
}
export type Change = { ids?: string[] | undefined; dry_run?: boolean | undefined; confirm?: string | undefined; tenant?: string | undefined } & RowFilter

/** @throws AppError invalid where the fields do not go together */
export function checkChange({ ids, topic, type, older_than, dry_run, confirm }: Change): void {
  for (const [name, value] of Object.entries({ topic, type, older_than }))
    if (ids !== undefined && value !== undefined) throw invalidField(`/${name}`, 'does not go with ids: name the rows, or a filter')
  if (dry_run === true && confirm !== undefined) throw invalidField('/dry_run', 'cannot be true where confirm is given')
  if (dry_run === false && confirm === undefined && ids === undefined) throw invalidField('/confirm', 'is missing: make a dry run, and send the confirm of its answer')
}

/** `more`: as many as one call takes, and there may be others. */
export type Counted = { matched: number; more: boolean; confirm: string }
export type Changed = { changed: number; skipped: number }
/** `replayed`: an earlier call with this Idempotency-Key did it, and this is what it answered. */
export type Answered<Body> = { replayed: boolean; body: Body }
/** What becomes of the rows `$2` of the tenant `$1`, by statements that run as one; `changed` returns seq and event_id. */
export type ChangeKind = { action: 'outbox.replay' | 'outbox.purge'; status: Status; statements: { changed: string; readied?: string }; detail: Record<string, unknown> }

/**
 * Counts what matches, or changes it with its audit rows in one transaction. A filter takes the confirm of a dry run, which holds for exactly those rows; ids need none,
 * and of them those in another state are skipped. @throws AppError forbidden, invalid, idempotency_*; conflict when the match is another one by now
 */
export async function changeRows(ctx: Ctx, input: Change, { action, status, statements, detail }: ChangeKind, call: Call): Promise<Answered<Counted | Changed>> {
  checkChange(input)
  const { tenant: named, dry_run, confirm, ids: given, ...rest } = input
  const ids = given && [...new Set(given)]
  const acting = await actingTenant(ctx, 'outbox:write', named)
  const filter = { ...rest, ids, status }
  const bound = [action, acting.tenantId, filter]
  const access = { role: 'soma_worker', tenantId: acting.tenantId } as const
  if (dry_run === true || (confirm === undefined && ids === undefined)) {
    const { count, hash } = await ctx.worker.transaction({ ...access, readOnly: true }, (tx) => match(tx, acting, filter, false))
    return { replayed: false, body: { matched: count, more: count === mostRows, confirm: signCursor(ctx, bound, [hash]) } }
  }
  const confirmed =
    confirm === undefined ? undefined : (readCursor(ctx, bound, confirm, () => invalidField('/confirm', 'is not the confirm of a dry run of this very call')) as [string])[0]
  return ctx.worker.transaction(access, async (tx) => {
    // a key is the caller's own, whoever's rows it is about
    const finished = await actingAs(tx, ctx.tenantId, acting.tenantId, () => finishedCall(tx, ctx, call))
    if (finished) return { replayed: true, body: finished.result as Changed }
    const { count, hash, seqs } = await match(tx, acting, filter, true)
    if (confirmed !== undefined && hash !== confirmed) throw new AppError('conflict', `The match has changed since the dry run: ${count} rows match now. Make another dry run.`)
    if (count > 0) {
      const { ids: _ids, status: _status, ...by } = filter
      const said = { ...detail, ...(ids ? {} : { filter: by }), ...(acting.tenantId === ctx.tenantId ? {} : { by: ctx.tenant }) }
      await tx.query(auditedText(statements), [acting.tenantId, seqs, ctx.actor, action, ctx.requestId, JSON.stringify(said)])
      // who works on another tenant's rows finds it in both logs
      if (acting.tenantId !== ctx.tenantId) {
        const more = { ...detail, ...(ids ? {} : { filter: by }), rows: count }
        await actingAs(tx, ctx.tenantId, acting.tenantId, () => appendAudit(tx, ctx, action, acting.tenant, more))
      }
    }
    const body = { changed: count, skipped: ids ? ids.length - count : 0 }
    await actingAs(tx, ctx.tenantId, acting.tenantId, () => recordCall(tx, ctx, call, 200, body))
    return { replayed: false, body }
  })
}

/** Does a part of a transaction inside of another tenant, and goes back. */
async function actingAs<T>(tx: Sql, tenantId: number, back: number, work: () => Promise<T>): Promise<T> {
  if (tenantId === back) return work()
  const enter = (id: number) => tx.query(`select set_config('soma.tenant', $1::text, true)`, [String(id)])
  await enter(tenantId)
  const done = await work()
  await enter(back)
  return done
}

function auditedText(statements: ChangeKind['statements']): string {
  const all = Object.entries(statements).map(([name, text]) => `${name} as (${text})`)
  return `with ${all.join(', ')}, parts as (select c.seq, c.event_id, (row_number() over (order by c.seq) - 1) / ${rowsPerAudit} as part from changed c)
    insert into audit_log (tenant_id, at, actor, action, target, request_id, detail)
    select $1::integer, now(), $3::text, $4::text, case when count(*) = 1 then min(p.event_id::text) end, $5::text,
      $6::jsonb || jsonb_build_object('rows', count(*), 'event_ids', jsonb_agg(p.event_id order by p.seq))
    from parts p group by p.part`
}

/** The oldest rows that match, with a hash of them as they are; locked in one order, so that two such calls cannot wait for each other. */
async function match(tx: Sql, { tenantId }: ActingTenant, filter: RowFilter, lock: boolean): Promise<{ count: number; hash: string; seqs: string[] }> {
  const { where, p } = rowsWhere(tenantId, filter)
  const [row] = await tx.query<{ count: string; hash: string; seqs: string[] | null }>(
    `with found as materialized (select o.seq, o.attempts, o.sent_at from outbox o where ${where.join(' and ')} order by o.seq limit ${mostRows}${lock ? ' for update' : ''})
     select count(*) as count, ${[1, 2].map((salt) => `coalesce(sum(hashtextextended(f.seq || ':' || f.attempts || ':' || coalesce(f.sent_at::text, ''), ${salt})::numeric), 0)`).join(` || ':' || `)} as hash,
       ${lock ? 'array_agg(f.seq order by f.seq)' : 'null'} as seqs
     from found f`,
    p.values,
  )
  const { count, hash, seqs } = row as { count: string; hash: string; seqs: string[] | null }
  return { count: Number(count), hash, seqs: seqs ?? [] }
}
