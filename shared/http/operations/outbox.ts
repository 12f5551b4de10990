import * as z from 'zod'
import { Instant } from '../../memory/index.ts'
import { MemoryEvent, outboxStatuses, PurgeIn, ReplayIn } from '../../outbox/index.ts'
import { TenantIn } from '../../tenant/index.ts'
import { namedBody } from '../answers/components.ts'
import { OutboxPage, OutboxPurged, OutboxReplayed, OutboxSummaryPage } from '../answers/outbox.ts'
import type { Operation } from './operation.ts'
import { cursor } from './parameters.ts'

const platform = 'A key of the tenant "system" with the scope platform:outbox names any tenant.'
const tenant = { tenant: { description: "whose rows; one's own where it is absent", schema: TenantIn.shape.name } }
const twice = 'Rows are named by ids, or by a filter: without confirm that is a dry run, and the confirm of its answer holds for exactly the rows that it counted.'

/** The operators' surface of the outbox. */
export const outbox: readonly Operation[] = [
  {
    id: 'listOutbox',
    method: 'GET',
    path: '/v1/outbox',
    summary: 'List outbox rows, the oldest first: ids, attempts, errors and ages, nothing of what was stored',
    description: platform,
    scope: 'outbox:read',
    query: {
      ...tenant,
      status: { description: 'only rows in this state', schema: z.enum(outboxStatuses) },
      topic: { description: 'only rows for this topic', schema: PurgeIn.shape.topic },
      type: { description: 'only events of this type', schema: MemoryEvent.shape.type },
      older_than: { description: 'only rows from before this instant', schema: Instant },
      limit: { description: 'how many at most', schema: z.int().min(1).max(500).default(50) },
      ...cursor,
    },
    success: 200,
    answer: OutboxPage,
  },
  {
    id: 'summarizeOutbox',
    method: 'GET',
    path: '/v1/outbox/summary',
    summary: 'Count outbox rows by state, with the age of the oldest and why rows are dead',
    description: `${platform} Where it names none, the answer has every tenant with rows, 100 tenants a page: a page may be empty before the last.`,
    scope: 'outbox:read',
    query: { ...tenant, ...cursor },
    success: 200,
    answer: OutboxSummaryPage,
  },
  {
    id: 'replayOutbox',
    method: 'POST',
    path: '/v1/outbox/replay',
    summary: 'Have dead outbox rows published again, or sent ones that are still there',
    description: `${twice} Consumers apply an event once, however often it is published. ${platform}`,
    scope: 'outbox:write',
    body: namedBody('OutboxReplayIn', ReplayIn),
    success: 200,
    answer: OutboxReplayed,
    idempotent: true,
    problems: ['conflict'],
    example: { ids: ['4711', '4712'] },
  },
  {
    id: 'purgeOutbox',
    method: 'POST',
    path: '/v1/outbox/purge',
    summary: 'Remove dead outbox rows for good: their events are never published',
    description: `${twice} The reason and the ids of the events are kept in the audit log. ${platform}`,
    scope: 'outbox:write',
    body: namedBody('OutboxPurgeIn', PurgeIn),
    success: 200,
    answer: OutboxPurged,
    idempotent: true,
    problems: ['conflict'],
    example: { type: 'linked', older_than: '2026-01-31T12:00:00Z', reason: 'links of a test that went wrong' },
  },
]
