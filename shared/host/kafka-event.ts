import * as z from 'zod'
import type { Subscriber } from '../bus/index.ts'
import { applyInOrder, type Bury, type Received } from '../kafka/index.ts'

/** Bytes are base64; a header's are numbers, from Java, so some are negative. */
const KafkaEvent = z.object({
  eventSource: z.enum(['aws:kafka', 'SelfManagedKafka']),
  records: z.record(
    z.string(),
    z.array(
      z.object({
        topic: z.string(),
        partition: z.number().int(),
        offset: z.number().int(),
        key: z.string().nullish(),
        value: z.string().nullish(),
        headers: z.array(z.record(z.string(), z.array(z.number().int()))).default([]),
      }),
    ),
  ),
})
type KafkaRecord = z.output<typeof KafkaEvent>['records'][string][number]
export type KafkaEventDeps = Subscriber & { bury: Bury; onFailure: (place: { topic: string; partition: number; offset: string }, error: Error) => void }
/** The form that the event source takes with ReportBatchItemFailures: one object a partition, by the event's own name for it. It goes on from that offset. */
export type KafkaEventAnswer = { batchItemFailures: { itemIdentifier: { partition: string; offset: number } }[] }

/** What an event source mapping of MSK or of a Kafka of one's own sends. */
export function isKafkaEvent(event: unknown): boolean {
  return typeof event === 'object' && event !== null && 'eventSource' in event && (event.eventSource === 'aws:kafka' || event.eventSource === 'SelfManagedKafka')
}

/** Applies each partition in its order, up to the first record that is to be tried again: what comes after it is sent again with it. @throws ZodError for another shape */
export async function applyKafkaEvent(deps: KafkaEventDeps, event: unknown): Promise<KafkaEventAnswer> {
  const { records } = KafkaEvent.parse(event)
  const batchItemFailures: KafkaEventAnswer['batchItemFailures'] = []
  for (const [partition, given] of Object.entries(records)) {
    const offset = await applyPartition(
      deps,
      given.toSorted((a, b) => a.offset - b.offset),
    )
    if (offset !== undefined) batchItemFailures.push({ itemIdentifier: { partition, offset } })
  }
  return { batchItemFailures }
}

/** The offset to go on from, or undefined when all is done. */
async function applyPartition({ topic, batchSize, handler, bury, onFailure }: KafkaEventDeps, records: KafkaRecord[]): Promise<number | undefined> {
  for (let from = 0; from < records.length; from += batchSize) {
    const part = records.slice(from, from + batchSize)
    const { done, failure } = await applyInOrder(handler, topic, part.map(receivedOf), bury)
    const next = part[done]
    if (failure && next) {
      onFailure({ topic: next.topic, partition: next.partition, offset: String(next.offset) }, failure)
      return next.offset
    }
  }
  return undefined
}

function receivedOf({ topic, partition, offset, key, value, headers }: KafkaRecord): Received {
  const bytes = (text: string | null | undefined) => (text === null || text === undefined ? null : Buffer.from(text, 'base64'))
  const decoded = headers.flatMap((one) => Object.entries(one)).map(([name, values]) => [name, Buffer.from(values)] as const)
  return { topic, partition, offset: String(offset), key: bytes(key), value: bytes(value), headers: Object.fromEntries(decoded) }
}
