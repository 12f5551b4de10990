import * as z from 'zod'
import { isTime } from '../filter/index.ts'
import { invalidField } from '../problem/index.ts'
import { assertUnlimited, type Ctx, requireScope } from '../tenant/index.ts'
import { totalsOf } from './stats.ts'
import { unfolded } from './unfolded.ts'

const Time = z
  .string()
  .refine(isTime, 'takes a time such as 2026-01-31T12:00:00Z')
  .transform((text) => Date.parse(text))
export const UsageIn = z.strictObject({ from: Time.optional(), to: Time.optional(), by: z.enum(['day', 'hour']).default('day') })

/** `memories` and `bytes` are the level at the end; what was stored, recalled and embedded is what happened within. */
export type Usage = { memories: number; bytes: number; stores: number; recalls: number; embedded_tokens: number }
/** One bucket of UTC; `start` is RFC 3339 with milliseconds. */
export type UsageBucket = { start: string } & Usage
/** `from` and `to` are the beginning of the first bucket and the end of the last one. */
export type UsageOut = { from: string; to: string; by: 'day' | 'hour'; items: UsageBucket[]; totals: Usage }

const hourMs = 3_600_000
const buckets = { day: { ms: 24 * hourMs, most: 366 }, hour: { ms: hourMs, most: 744 } } as const
type Change = Record<keyof Usage, number>

/**
 * What the caller's tenant holds and used, by day or hour: every bucket that [from, to) touches, as far as now. The last 30 days when not told otherwise.
 * A level is that of now less what changed since, so no more of the past is read than from `from` on. @throws AppError forbidden, invalid
 */
export async function tenantUsage(ctx: Ctx, query: unknown, now = Date.now()): Promise<UsageOut> {
  requireScope(ctx, 'memory:read')
  assertUnlimited(ctx)
  const { from, to, by } = UsageIn.parse(query)
  const { ms, most } = buckets[by]
  const end = Math.ceil(Math.min(to ?? now + 1, now + 1) / ms) * ms
  const start = Math.floor((from ?? (to ?? now) - 30 * buckets.day.ms) / ms) * ms
  if (start >= end || (from !== undefined && to !== undefined && from >= to)) throw invalidField('/from', 'must be before to, and not in the future')
  const size = (end - start) / ms
  if (size > most) throw invalidField('/from', `begins ${size} buckets before the end: at most ${most} by ${by} are answered`)

  const { totals, changes } = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, async (tx) => ({
    totals: await totalsOf(tx, ctx.tenantId),
    changes: await tx.query<{ start: Date } & Record<keyof Usage, string>>(
      `select date_trunc($3::text, c.at, 'UTC') as start, sum(c.memories) as memories, sum(c.bytes) as bytes, sum(c.stores) as stores, sum(c.recalls) as recalls, sum(c.embedded_tokens) as embedded_tokens
       from (
         select u.hour as at, u.memories, u.bytes, u.stores, u.recalls, u.embedded_tokens from usage_hours u where u.tenant_id = $1::integer and u.hour >= $2::timestamptz
         union all
         select d.at, d.memories, d.bytes, d.stores, d.recalls, d.embedded_tokens from ${unfolded} d where d.at >= $2::timestamptz) c
       group by 1`,
      [ctx.tenantId, new Date(start).toISOString(), by],
    ),
  }))
  const byStart = new Map(changes.map((row) => [row.start.getTime(), changeOf(row)]))
  const level = { memories: totals.memories, bytes: totals.bytes }
  for (const change of byStart.values()) addTo(level, change, -1)
  const items: UsageBucket[] = []
  for (let at = start; at < end; at += ms) {
    const change = byStart.get(at)
    if (change) addTo(level, change, 1)
    items.push({ start: new Date(at).toISOString(), ...level, stores: change?.stores ?? 0, recalls: change?.recalls ?? 0, embedded_tokens: change?.embedded_tokens ?? 0 })
  }
  const sum = (name: 'stores' | 'recalls' | 'embedded_tokens') => items.reduce((total, item) => total + item[name], 0)
  return {
    from: new Date(start).toISOString(),
    to: new Date(end).toISOString(),
    by,
    items,
    totals: { ...level, stores: sum('stores'), recalls: sum('recalls'), embedded_tokens: sum('embedded_tokens') },
  }
}

function changeOf(row: Record<keyof Usage, string>): Change {
  return {
    memories: Number(row.memories),
    bytes: Number(row.bytes),
    stores: Number(row.stores),
    recalls: Number(row.recalls),
    embedded_tokens: Number(row.embedded_tokens),
  }
}

function addTo(level: { memories: number; bytes: number }, change: Change, sign: 1 | -1): void {
  level.memories += sign * change.memories
  level.bytes += sign * change.bytes
}
