import * as z from 'zod'
import { compileFilter, type Filter, FilterIn, params, parseFilter, requiredValues } from '../filter/index.ts'
import { AppError } from '../problem/index.ts'
import { assertWithin, type Ctx, type Place, requireScope } from '../tenant/index.ts'
import { readCursor, signCursor } from './cursor.ts'
import { Instant, settleInstant } from './instant.ts'
import { type MemoryRow, memoryColumns, memoryOf, presentAt, sourcesAt } from './rows.ts'
import { type MemoryOut, Namespace, scopeIds, scopeNames } from './schema.ts'

const orders = {
  'created_at desc': 'm.created_at',
  'created_at asc': 'm.created_at',
  // a memory without a time of its own stands at that of its storing: a null has no place that a cursor could name
  'occurred_at desc': 'coalesce(m.occurred_at, m.created_at)',
  'occurred_at asc': 'coalesce(m.occurred_at, m.created_at)',
  'updated_at desc': 'm.recorded_at',
  'updated_at asc': 'm.recorded_at',
} as const
export const ListIn = z.strictObject({
  namespace: Namespace.default('default'),
  ...scopeIds,
  filters: FilterIn.optional(),
  as_of: Instant.optional(),
  valid_at: Instant.optional(),
  order_by: z.enum(Object.keys(orders) as [keyof typeof orders]).default('created_at desc'),
  limit: z.number().int().min(1).max(500).default(50),
  cursor: z.string().max(1000).optional(),
})

type ScopeName = (typeof scopeNames)[number]
export type ScopeIds = { [name in ScopeName]?: string | undefined }
/** The scope of a query and what else it asks for. `ids` holds what stands top level or as a required equality in the filter. */
export type Selection = { namespace: string; ids: ScopeIds; filter: Filter | undefined }

/** @throws AppError invalid; scope_conflict when an id stands top level and in the filter with different values */
export function selectionOf(input: { namespace: string; filters?: unknown } & ScopeIds): Selection {
  const filter = input.filters === undefined ? undefined : parseFilter(input.filters)
  const required = requiredValues(filter)
  const ids: ScopeIds = {}
  for (const name of scopeNames) {
    const inFilter = required.get(name)
    const top = input[name]
    if (top !== undefined && inFilter && inFilter.value !== top) {
      throw new AppError('scope_conflict', `${name} is given twice with different values.`, { errors: [{ pointer: inFilter.pointer, detail: `differs from /${name}` }] })
    }
    ids[name] = top ?? inFilter?.value
  }
  return { namespace: input.namespace, ids, filter }
}

/** What a selection names, as a limited key is held to it. */
export const placeOf = ({ namespace, ids }: Selection): Place => ({ ...ids, namespace })

/** The conditions of a selection on memories as `m`, beyond the tenant and the keys of namespace and user; `past` where m may be a closed version. */
export function conditionsOf(selection: Selection, p: ReturnType<typeof params>, past = false): string[] {
  const scope = scopeNames.filter((name) => name !== 'user_id' && selection.ids[name] !== undefined).map((name) => `m.${name} = ${p.add(selection.ids[name], 'text')}`)
  return selection.filter ? [...scope, compileFilter(selection.filter, p, past)] : scope
}

/** Memories that are true now, or were known and true at an instant, by page. @throws AppError invalid, scope_conflict; as settleInstant */
export async function listMemories(ctx: Ctx, body: unknown): Promise<{ items: MemoryOut[]; next_cursor: string | null }> {
  requireScope(ctx, 'memory:read')
  const { limit, cursor, order_by: order, ...query } = ListIn.parse(body)
  const selection = selectionOf(query)
  assertWithin(ctx, placeOf(selection))
  const position = cursor === undefined ? undefined : (readCursor(ctx, [order, query], cursor) as [string, string])
  await settleInstant(ctx, query.as_of)
  const p = params([ctx.tenantId])
  const known = query.as_of === undefined ? undefined : p.add(query.as_of, 'timestamptz')
  // what was true then, unless told otherwise: the answer that was given then
  const valid = query.valid_at === undefined ? (known ?? 'now()') : p.add(query.valid_at, 'timestamptz')
  const namespace = p.add(query.namespace, 'text')
  const scopeKey = (user: string) => `(select s.scope_key from scopes s where s.tenant_id = $1::integer and s.namespace = ${namespace} and s.user_id ${user})`
  const where = [`m.tenant_id = $1::integer`, `m.namespace_key = ${scopeKey('is null')}`, presentAt(valid, known)]
  if (selection.ids.user_id !== undefined) where.push(`m.user_key = ${scopeKey(`= ${p.add(selection.ids.user_id, 'text')}`)}`)
  where.push(...conditionsOf(selection, p, known !== undefined))
  const direction = order.endsWith('asc') ? 'asc' : 'desc'
  if (position) where.push(`(${orders[order]}, m.memory_key) ${direction === 'asc' ? '>' : '<'} (${p.add(position[0], 'timestamptz')}, ${p.add(position[1], 'bigint')})`)
  const sorted = `${direction}, memory_key ${direction} limit ${limit + 1}`
  // each table in its own order and no further than the page; then both together
  const parts = sourcesAt(known).map(
    ({ table, condition }) => `(select ${memoryColumns}, ${orders[order]} as at from ${table} m where ${[condition, ...where].join(' and ')} order by ${orders[order]} ${sorted})`,
  )
  const rows = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, (tx) =>
    tx.query<MemoryRow & { at_text: string }>(`select l.*, l.at::text as at_text from (${parts.join(' union all ')}) l order by l.at ${sorted}`, p.values),
  )
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { items: page.map(memoryOf), next_cursor: rows.length > limit && last ? signCursor(ctx, [order, query], [last.at_text, last.memory_key]) : null }
}
