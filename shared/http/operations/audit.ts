import * as z from 'zod'
import { Action } from '../../audit/index.ts'
import { Instant } from '../../memory/index.ts'
import { TenantIn } from '../../tenant/index.ts'
import { AuditPage } from '../answers/audit.ts'
import type { Operation } from './operation.ts'
import { cursor } from './parameters.ts'

/** Who did what. */
export const audit: readonly Operation[] = [
  {
    id: 'listAudit',
    method: 'GET',
    path: '/v1/audit',
    summary: 'List audit rows, the newest first: every write, export, denied request and administration, with its place in the chain',
    description:
      'Ids, names and counts, never a text, a payload or a query. A row has its place in the chain, and its hash, within about a minute. A key of the tenant "system" with the scope platform:audit names any tenant.',
    scope: 'admin',
    query: {
      tenant: { description: "whose rows; one's own where it is absent", schema: TenantIn.shape.name },
      action: { description: 'only this action', schema: Action },
      from: { description: 'only rows from this instant on', schema: Instant },
      to: { description: 'only rows from before this instant', schema: Instant },
      limit: { description: 'how many at most', schema: z.int().min(1).max(500).default(50) },
      ...cursor,
    },
    success: 200,
    answer: AuditPage,
  },
]
