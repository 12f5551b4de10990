import * as z from 'zod'
import type { Sql } from '../db/index.ts'
import { Namespace, pageQuery, readCursor, scopeIds, signCursor } from '../memory/index.ts'
import { assertUnlimited, assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import { unfolded } from './unfolded.ts'

/** Query strings: every value is a text. */
export const NamespacesIn = z.strictObject(pageQuery)
export const UsersIn = z.strictObject({ namespace: Namespace.default('default'), ...pageQuery })
export const SessionsIn = z.strictObject({ namespace: Namespace.default('default'), user_id: scopeIds.user_id, ...pageQuery })

/** `last_activity` is the time of the newest change, RFC 3339 UTC with milliseconds. */
type Counted = { memories: number; last_activity: string }
export type NamespaceOut = { namespace: string } & Counted
export type UserOut = { user_id: string } & Counted
export type SessionOut = { session_id: string; user_id: string | null; agent_id: string | null; app_id: string | null; run_id: string | null } & Counted
export type NamesPage<Item> = { items: Item[]; next_cursor: string | null }

/** A name without memories is passed over; after this many names a page ends where it is, with fewer items than asked for. */
export const mostNames = 10_000

/** The namespaces of the caller's tenant that hold memories, in byte order, with exact counts. @throws AppError forbidden, invalid */
export function listNamespaces(ctx: Ctx, query: unknown): Promise<NamesPage<NamespaceOut>> {
  return listed(ctx, NamespacesIn, query, {
    key: 'namespace_key',
    select: (tx, _, after, most) =>
      tx.query<{ namespace: string } & Folded>(
        `select s.scope_key::text as key, s.namespace, t.memories, t.last_at from scopes s ${foldedScope}
         where s.tenant_id = $1::integer and coalesce(s.user_id, '') = '' and s.namespace collate "C" > $2::text order by s.namespace collate "C" limit ${most}`,
        [ctx.tenantId, after?.[0] ?? ''],
      ),
    position: (row) => [row.namespace],
    item: ({ namespace }) => ({ namespace }),
  })
}

/** The users of a namespace that hold memories, in byte order, with exact counts. @throws AppError forbidden, invalid */
export function listUsers(ctx: Ctx, query: unknown): Promise<NamesPage<UserOut>> {
  return listed(ctx, UsersIn, query, {
    key: 'user_key',
    select: (tx, { namespace }, after, most) =>
      tx.query<{ user_id: string } & Folded>(
        `select s.scope_key::text as key, s.user_id, t.memories, t.last_at from scopes s ${foldedScope}
         where s.tenant_id = $1::integer and s.namespace = $2::text and coalesce(s.user_id, '') <> '' and s.user_id collate "C" > $3::text order by s.user_id collate "C" limit ${most}`,
        [ctx.tenantId, namespace, after?.[0] ?? ''],
      ),
    position: (row) => [row.user_id],
    item: ({ user_id }) => ({ user_id }),
  })
}

/** The sessions of a namespace, or of one user in it, that hold memories, by session_id in byte order. Each combination of scope ids is a session of its own. @throws AppError forbidden, invalid */
export function listSessions(ctx: Ctx, query: unknown): Promise<NamesPage<SessionOut>> {
  return listed(ctx, SessionsIn, query, {
    key: 'session_key',
    select: (tx, { namespace, user_id }, after, most) => {
      const scope = (user: string) => `(select n.scope_key from scopes n where n.tenant_id = $1::integer and n.namespace = $2::text and n.user_id ${user})`
      const within = user_id === undefined ? `s.namespace_key = ${scope('is null and $5::text is null')}` : `s.user_key = ${scope('= $5::text')}`
      return tx.query<Omit<SessionOut, keyof Counted> & Folded>(
        `select s.session_key::text as key, s.session_id, s.user_id, s.agent_id, s.app_id, s.run_id, t.memories, t.last_at from sessions s
         left join lateral (select c.memories, c.last_at from session_stats c where c.tenant_id = $1::integer and c.session_key = s.session_key offset 0) t on true
         where s.tenant_id = $1::integer and ${within} and (s.session_id collate "C", s.session_key) > ($3::text, $4::bigint)
         order by s.session_id collate "C", s.session_key limit ${most}`,
        [ctx.tenantId, namespace, after?.[0] ?? '', after?.[1] ?? '0', user_id ?? null],
      )
    },
    position: (row) => [row.session_id, row.key],
    item: ({ session_id, user_id, agent_id, app_id, run_id }) => ({ session_id, user_id, agent_id, app_id, run_id }),
  })
}

// `offset 0` keeps it a look-up by key for each name: a join could read the counters of all names for a page of some
const foldedScope = `left join lateral (select c.memories, c.last_at from scope_stats c where c.tenant_id = $1::integer and c.scope_key = s.scope_key offset 0) t on true`
type Folded = { key: string; memories: string | null; last_at: Date | null }
type Fresh = { key: string; memories: string; last_at: Date | null }
type Kind<Query, Row, Item> = {
  key: 'namespace_key' | 'user_key' | 'session_key'
  /** The next `most` names after a position, with what is folded of each. */
  select(tx: Sql, query: Query, after: string[] | undefined, most: number): Promise<Row[]>
  position(row: Row): string[]
  item(row: Row): Item
}

/** Reads names in order until the page is full, all in one snapshot. */
async function listed<Query extends { limit: number; cursor?: string | undefined }, Row extends Folded, Item>(
  ctx: Ctx,
  schema: z.ZodType<Query>,
  given: unknown,
  kind: Kind<Query, Row, Item>,
): Promise<NamesPage<Item & Counted>> {
  requireScope(ctx, 'memory:read')
  const query = schema.parse(given)
  hold(ctx, query)
  const { limit, cursor, ...rest } = query
  const bound = [kind.key, rest]
  let after = cursor === undefined ? undefined : (readCursor(ctx, bound, cursor) as string[])
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, async (tx) => {
    const found: { row: Row; counted: Counted }[] = []
    const pageTo = (end: string[] | null) => ({
      items: found.slice(0, limit).map(({ row, counted }) => ({ ...kind.item(row), ...counted })),
      next_cursor: end && signCursor(ctx, bound, end),
    })
    for (let size = limit + 1, read = 0; ; size = Math.min(size * 4, mostNames)) {
      const rows = await kind.select(tx, query, after, size)
      const fresh = await notFolded(tx, ctx.tenantId, kind.key, rows)
      for (const row of rows) {
        const counted = countOf(row, fresh.get(row.key))
        if (counted.memories > 0) found.push({ row, counted })
      }
      const end = found[limit - 1]
      if (found.length > limit && end) return pageTo(kind.position(end.row))
      const last = rows.at(-1)
      if (rows.length < size || !last) return pageTo(null)
      after = kind.position(last)
      read += rows.length
      if (read >= mostNames) return pageTo(after)
    }
  })
}

/** The names in a namespace, or of one user in it, are within the reach of whom that place is; the namespaces themselves are the tenant's. @throws AppError forbidden */
function hold(ctx: Ctx, { namespace, user_id }: { limit: number; namespace?: string; user_id?: string | undefined }): void {
  if (namespace === undefined) assertUnlimited(ctx)
  else assertWithin(ctx, { namespace, user_id })
}

/** What these names' folded counters do not say yet. */
async function notFolded(tx: Sql, tenantId: number, column: Kind<never, never, never>['key'], rows: Folded[]): Promise<Map<string, Fresh>> {
  if (!rows.length) return new Map()
  const fresh = await tx.query<Fresh>(
    `select d.${column}::text as key, sum(d.memories) as memories, max(d.at) filter (where d.is_change) as last_at
     from ${unfolded} d where d.${column} = any ($2::${column === 'session_key' ? 'bigint' : 'integer'}[]) group by 1`,
    [tenantId, rows.map((row) => row.key)],
  )
  return new Map(fresh.map((row) => [row.key, row]))
}

function countOf(folded: Folded, fresh: Fresh | undefined): Counted {
  const last = Math.max(folded.last_at?.getTime() ?? 0, fresh?.last_at?.getTime() ?? 0)
  return { memories: Number(folded.memories ?? 0) + Number(fresh?.memories ?? 0), last_activity: new Date(last).toISOString() }
}
