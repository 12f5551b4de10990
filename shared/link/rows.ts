import * as z from 'zod'
import type { Sql } from '../db/index.ts'
import { type MemoryOut, type MemoryRow, memoryColumns, memoryOf, presentAt } from '../memory/index.ts'
import { AppError } from '../problem/index.ts'
import { assertWithin, type Ctx, type Place } from '../tenant/index.ts'
import type { LinkOut } from './schema.ts'

export type LinkRow = { id: string; from_id: string; to_id: string; type: string; weight: number; metadata: Record<string, unknown>; created_at: Date }

export function linkOf(row: LinkRow): LinkOut {
  return { id: row.id, from: row.from_id, to: row.to_id, type: row.type, weight: row.weight, metadata: row.metadata, created_at: row.created_at.toISOString() }
}

const uuid = z.uuid()
/** An id that cannot be one names nothing, whatever its form. @throws AppError not_found */
export function linkId(id: string): string {
  if (!uuid.safeParse(id).success) throw new AppError('not_found', 'There is no link with this id.')
  return id.toLowerCase()
}

export async function selectLink(tx: Sql, tenantId: number, id: string): Promise<LinkRow | undefined> {
  const [row] = await tx.query<LinkRow>(
    `select l.id, f.id as from_id, t.id as to_id, l.type, l.weight, l.metadata, l.created_at from links l
     join memories f on f.tenant_id = l.tenant_id and f.memory_key = l.from_key join memories t on t.tenant_id = l.tenant_id and t.memory_key = l.to_key
     where l.tenant_id = $1::integer and l.id = $2::uuid`,
    [tenantId, id],
  )
  return row
}

/** A limited key links what it may reach, from end to end. @throws AppError forbidden */
export async function assertEndsWithin(tx: Sql, ctx: Ctx, { from_id, to_id }: Pick<LinkRow, 'from_id' | 'to_id'>): Promise<void> {
  if (!ctx.reach) return
  const ends = await tx.query<Place>(
    'select m.namespace, m.user_id, m.agent_id, m.app_id, m.run_id, m.session_id from memories m where m.tenant_id = $1::integer and m.id = any ($2::uuid[])',
    [ctx.tenantId, [from_id, to_id]],
  )
  for (const end of ends) assertWithin(ctx, end)
}

/** Those of these memories from which a walk may begin or at which it may end. */
export function selectPresent(tx: Sql, tenantId: number, ids: string[]): Promise<MemoryRow[]> {
  return tx.query<MemoryRow>(`select ${memoryColumns} from memories m where m.tenant_id = $1::integer and m.id = any ($2::uuid[]) and ${presentAt('now()')}`, [tenantId, ids])
}

/** A step of a walk by the keys: the link, and the memory it led to. */
export type Step = { from: number; to: number; type: string; next: number }
type StepRow = Omit<LinkRow, 'from_id' | 'to_id' | 'metadata' | 'created_at'> & { link_id: string; link_metadata: Record<string, unknown>; link_created_at: Date }

/** What steps went by, in their order. `ids` knows the memories that no step leads to. */
export async function selectSteps(tx: Sql, tenantId: number, steps: Step[], ids: Map<number, string>): Promise<{ link: LinkOut; memory: MemoryOut }[]> {
  if (!steps.length) return []
  const rows = await tx.query<StepRow & MemoryRow>(
    `select l.*, m.* from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[]) with ordinality s (from_key, to_key, type, next, place)
     cross join lateral (select l.id as link_id, l.type as link_type, l.weight, l.metadata as link_metadata, l.created_at as link_created_at from links l
       where l.tenant_id = $1::integer and l.from_key = s.from_key and l.to_key = s.to_key and l.type = s.type limit 1) l
     cross join lateral (select ${memoryColumns} from memories m where m.tenant_id = $1::integer and m.memory_key = s.next limit 1) m
     order by s.place`,
    [tenantId, steps.map((step) => step.from), steps.map((step) => step.to), steps.map((step) => step.type), steps.map((step) => step.next)],
  )
  for (const row of rows) ids.set(Number(row.memory_key), row.id)
  return rows.map((row, i) => {
    const { from, to, type } = steps[i] as Step
    const ends = { id: row.link_id, from_id: ids.get(from) as string, to_id: ids.get(to) as string }
    return { link: linkOf({ ...ends, type, weight: row.weight, metadata: row.link_metadata, created_at: row.link_created_at }), memory: memoryOf(row) }
  })
}
