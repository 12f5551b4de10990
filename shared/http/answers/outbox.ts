import * as z from 'zod'
import { type OutboxRow, type OutboxSummary, outboxStatuses, type Purged, type Replayed } from '../../outbox/index.ts'
import { namedAnswer, pageOf, Time } from './components.ts'

const Text = z.string().nullable()
const count = z.int().min(0)

const Row = namedAnswer(
  'OutboxRow',
  z.strictObject({
    id: z.string(),
    tenant: z.string(),
    event_id: z.uuid(),
    topic: z.string(),
    type: z.string(),
    memory_id: z.uuid().nullable(),
    link_id: z.uuid().nullable(),
    version: z.int().nullable(),
    status: z.enum(outboxStatuses),
    attempts: count,
    last_error: Text.meta({ description: 'why it failed, the last time that it did' }),
    age_seconds: count,
    created_at: Time,
    next_attempt_at: Time.nullable().meta({ description: 'of pending rows' }),
    lease_expires_at: Time.nullable(),
    sent_at: Time.nullable(),
  }),
) satisfies z.ZodType<OutboxRow>
export const OutboxPage = namedAnswer('OutboxPage', pageOf(Row))

const Summary = namedAnswer(
  'OutboxSummary',
  z.strictObject({
    tenant: z.string(),
    pending: count,
    leased: count,
    sent: count.meta({ description: 'sent within the last hour or so; older ones are swept' }),
    dead: count,
    oldest_unsent_seconds: count.nullable(),
    oldest_dead_seconds: count.nullable(),
    dead_because: z.array(z.strictObject({ last_error: Text, rows: count })).meta({ description: 'the five most frequent reasons' }),
  }),
) satisfies z.ZodType<OutboxSummary>
export const OutboxSummaryPage = namedAnswer('OutboxSummaryPage', pageOf(Summary))

const Counted = namedAnswer('OutboxCounted', z.strictObject({ matched: count, more: z.boolean(), confirm: z.string() }).meta({ description: 'a dry run' }))
export const OutboxReplayed = namedAnswer('OutboxReplayed', z.union([Counted, z.strictObject({ replayed: count, skipped: count })])) satisfies z.ZodType<Replayed>
export const OutboxPurged = namedAnswer('OutboxPurged', z.union([Counted, z.strictObject({ purged: count, skipped: count })])) satisfies z.ZodType<Purged>
