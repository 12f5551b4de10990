import * as z from 'zod'
import type { EventRecord } from '../handler/index.ts'

/** The value of one event on `memory.events`; memory.event.json is its JSON Schema, and a test holds the two together. */
export const MemoryEvent = z.strictObject({
  event_id: z.uuid(),
  id: z.uuid(),
  namespace: z.string().min(1),
  type: z.enum(['created', 'updated', 'deleted', 'linked', 'unlinked', 'erased']),
  /** RFC 3339 text, or epoch seconds as older producers send. */
  timestamp: z.union([z.iso.datetime({ offset: true }), z.number()]),
  payload: z.record(z.string(), z.unknown()),
  importance: z.number().optional(),
  embedding: z.array(z.number()).optional(),
  model_revision: z.string().optional(),
  tenant_id: z.string().optional(),
  version: z.number().int().positive().optional(),
  generation: z.number().int().positive().optional(),
})
export type MemoryEvent = z.output<typeof MemoryEvent>

export const memoryEventsTopic = 'memory.events'

/** The record of an event: key `tenant:memory id`, so that one memory's changes stay in order. */
export function recordOf(event: MemoryEvent, more: { topic: string; traceparent: string | null }): EventRecord {
  const link = event.type === 'linked' || event.type === 'unlinked' ? 'link:' : ''
  return {
    topic: more.topic,
    key: `${event.tenant_id}:${link}${event.id}`,
    value: JSON.stringify(event),
    headers: {
      'event-id': event.event_id,
      'tenant-id': event.tenant_id ?? '',
      'memory-version': String(event.version ?? ''),
      generation: String(event.generation ?? ''),
      'schema-version': '1',
      'dedupe-key': event.event_id,
      'event-created-at': String(event.timestamp),
      ...(more.traceparent ? { traceparent: more.traceparent } : {}),
    },
  }
}

/** @throws Error when the record's value is no event; such a record is poison: trying again cannot help */
export function parseRecord(record: EventRecord): MemoryEvent {
  if (record.value === null) throw new Error('the record is a tombstone, not an event')
  let value: unknown
  try {
    value = JSON.parse(record.value)
  } catch (cause) {
    throw new Error('the record is not JSON', { cause })
  }
  const parsed = MemoryEvent.safeParse(value)
  if (!parsed.success) throw new Error(`the record does not fit the event schema at ${parsed.error.issues.map((issue) => `/${issue.path.join('/')}`).join(', ')}`)
  return parsed.data
}
