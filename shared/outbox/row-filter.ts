import * as z from 'zod'
import { type Params, params } from '../filter/index.ts'
import { Instant } from '../memory/index.ts'
import { TenantIn } from '../tenant/index.ts'
import { MemoryEvent } from './event.ts'

export const statuses = ['pending', 'leased', 'sent', 'dead'] as const
export type Status = (typeof statuses)[number]

/** The number of a row, as a text: it may be beyond what a double holds exactly. */
export const RowId = z.string().regex(/^[1-9][0-9]{0,17}$/, 'takes the id of an outbox row, such as "4711"')
export const mostIds = 500

/** What narrows a call to some of a tenant's rows. */
export const rowFilter = {
  tenant: TenantIn.shape.name.optional(),
  topic: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,249}$/, 'takes the name of a topic')
    .optional(),
  type: MemoryEvent.shape.type.optional(),
  older_than: Instant.optional(),
}
export type RowFilter = { topic?: string | undefined; type?: string | undefined; older_than?: string | undefined; status?: Status | undefined; ids?: string[] | undefined }

/** The conditions on `outbox o` of one tenant. The status is a literal, so that its partial index serves. */
export function rowsWhere(tenantId: number, { status, topic, type, older_than, ids }: RowFilter): { where: string[]; p: Params } {
  const p = params([tenantId])
  const where = ['o.tenant_id = $1::integer']
  if (status !== undefined) where.push(`o.status = '${status}'`)
  if (topic !== undefined) where.push(`o.topic = ${p.add(topic, 'text')}`)
  if (type !== undefined) where.push(`o.type = ${p.add(type, 'text')}`)
  if (older_than !== undefined) where.push(`o.created_at < ${p.add(older_than, 'timestamptz')}`)
  if (ids !== undefined) where.push(`o.seq = any (${p.add(ids, 'bigint[]')})`)
  return { where, p }
}
