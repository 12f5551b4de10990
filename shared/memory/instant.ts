import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { Database } from '../db/index.ts'
import { isTime, timePattern } from '../filter/index.ts'
import { invalidField } from '../problem/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'

/** An instant as a caller gives it, in UTC with milliseconds: the precision with which changes are recorded. */
export const Instant = z
  .string()
  .refine(isTime, 'takes a time such as 2026-01-31T12:00:00Z')
  .meta({ pattern: timePattern, description: 'an instant: RFC 3339 with an offset, or a date alone (midnight UTC)' })
  .transform((text) => new Date(text).toISOString())

/** The query string of a read that may look back. */
export const InstantQuery = z.strictObject({ as_of: Instant.optional() })

/** An instant this far ahead is the asker's mistake; one of the running millisecond is waited for. */
const aheadMs = 1_000

/** By database and tenant: up to when everything is known to be settled. What was settled once is so for ever, so most looks back ask nothing. */
const settled = new WeakMap<Database, Map<number, number>>()
const mostTenants = 10_000

/**
 * Waits until nothing can be recorded at or before `asOf` any more, so that the same question has the same answer for ever (but for an import, which brings its own times). A change says by a lock that
 * it is on its way (mark_change); this looks at the locks in a statement of its own, before the snapshot that will be read.
 * @throws AppError forbidden without memory:history (the past shows what was forgotten since), invalid while a change from before it is still open
 */
export async function settleInstant(ctx: Ctx, asOf: string | undefined): Promise<void> {
  if (asOf === undefined) return
  requireScope(ctx, 'memory:history')
  const asked = Date.parse(asOf)
  const known = settled.get(ctx.app) ?? new Map<number, number>()
  settled.set(ctx.app, known)
  while (asked > (known.get(ctx.tenantId) ?? Number.NEGATIVE_INFINITY)) {
    const [row] = await ctx.app.statement<{ now: Date; unsettled: Date | null }>(
      { role: 'soma_app', tenantId: ctx.tenantId, readOnly: true },
      'select change_instant() as now, unsettled_from($1::integer) as unsettled',
      [ctx.tenantId],
    )
    const { now, unsettled } = row as { now: Date; unsettled: Date | null }
    if (unsettled && asked >= unsettled.getTime()) {
      throw invalidField('/as_of', `is later than a change that is still being written (since ${unsettled.toISOString()}): ask for an earlier instant, or again in a moment`)
    }
    if (known.size >= mostTenants) known.clear()
    known.set(ctx.tenantId, Math.min(now.getTime(), unsettled?.getTime() ?? Number.POSITIVE_INFINITY) - 1)
    if (asked < now.getTime()) return
    if (asked - now.getTime() > aheadMs) throw invalidField('/as_of', `lies in the future; it is ${now.toISOString()} now`)
    await sleep(asked - now.getTime() + 1)
  }
}
