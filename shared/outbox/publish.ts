import type { Publisher } from '../bus/index.ts'
import type { EventRecord, RecordFailure } from '../handler/index.ts'
import { currentTraceparent, type Span, startSpan } from '../trace/index.ts'

type Answers = (RecordFailure | null)[]
/** Traces of a batch that get a span; what belongs to others is published all the same. */
const mostSpans = 100

/** Publishes records, with a span in each trace that they belong to; they carry it on to those who consume them. What a transport throws comes back as a failure of each. */
export async function publishRecords(publisher: Publisher, records: EventRecord[]): Promise<Answers> {
  if (!records.length) return []
  const spans = spansOf(publisher.name, records)
  const sent = [...records]
  for (const { span, indexes } of spans)
    for (const index of indexes) {
      const record = records[index] as EventRecord
      sent[index] = { ...record, headers: { ...record.headers, traceparent: span.traceparent } }
    }
  const answers = await answersOf(publisher, sent)
  for (const { span, indexes } of spans) {
    const failed = indexes.filter((index) => answers[index] !== null)
    if (failed.length) span.fail(failed.some((index) => answers[index]?.poison) ? 'refused' : 'not_acknowledged')
    span.end()
  }
  return answers
}

function spansOf(transport: string, records: EventRecord[]): { span: Span; indexes: number[] }[] {
  const traces = [...Map.groupBy(records.keys(), (index) => (records[index] as EventRecord).headers.traceparent)].slice(0, mostSpans)
  const drain = currentTraceparent()
  return traces.flatMap(([parent, indexes]) => {
    if (parent === undefined) return []
    const { topic, headers } = records[indexes[0] as number] as EventRecord
    const attributes = {
      'messaging.system': transport,
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': topic,
      'soma.tenant': headers['tenant-id'] ?? '',
      ...(indexes.length > 1 ? { 'messaging.batch.message_count': indexes.length } : { 'messaging.message.id': headers['event-id'] ?? '' }),
    }
    const span = startSpan(`send ${topic}`, { kind: 'producer', parent, links: drain ? [drain] : [], attributes })
    return span ? [{ span, indexes }] : []
  })
}

/** A transport that throws has acknowledged nothing: its records wait for their next attempt, and the next tenant has its turn. */
async function answersOf(publisher: Publisher, records: EventRecord[]): Promise<Answers> {
  try {
    return await publisher.publish(records)
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    return records.map((_, index) => ({ index, poison: false, error }))
  }
}
