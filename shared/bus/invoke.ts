import * as z from 'zod'
import type { EventRecord, RecordFailure } from '../handler/index.ts'
import type { Publisher } from './port.ts'

/** Invokes a deployed function by name and answers its JSON. */
export type Invoke = (functionName: string, payload: unknown) => Promise<unknown>
export type Consumer = { name: string; topic: string; functionName: string; batchSize: number }
/** Bytes of one invocation: Lambda takes 6 MB, and escaping needs room. */
const maxBytes = 4 * 1024 * 1024

const Answer = z.object({ failures: z.array(z.object({ index: z.number().int(), message: z.string(), poison: z.boolean(), away: z.boolean().optional() })) })

/** Hands batches to the record functions by synchronous invocation: the same records and the same guarantees as the bus, without a broker. */
export function invokingPublisher(invoke: Invoke, consumers: Consumer[]): Publisher {
  async function deliver(consumer: Consumer, records: EventRecord[]): Promise<RecordFailure[]> {
    try {
      const { failures } = Answer.parse(await invoke(consumer.functionName, { records }))
      return failures.map(({ index, message, poison, away = false }) => ({ index, poison, away, error: new Error(`${consumer.name}: ${message}`) }))
    } catch (cause) {
      return records.map((_, index) => ({ index, poison: false, error: new Error(`${consumer.name}: the invocation failed`, { cause }) }))
    }
  }
  return {
    name: 'invoke',
    direct: true,
    async publish(records) {
      const failures = new Map<number, RecordFailure>()
      const one = async (consumer: Consumer) => {
        for (const { first, batch } of batchesOf(records, consumer.batchSize)) {
          for (const failure of await deliver(consumer, batch)) failures.set(first + failure.index, { ...failure, index: first + failure.index })
        }
      }
      await Promise.all(consumers.map(one))
      return records.map((_, index) => failures.get(index) ?? null)
    },
  }
}

function batchesOf(records: EventRecord[], most: number): { first: number; batch: EventRecord[] }[] {
  const batches: { first: number; batch: EventRecord[]; bytes: number }[] = []
  for (const [index, record] of records.entries()) {
    const bytes = Buffer.byteLength(record.value ?? '') + 1024
    const last = batches.at(-1)
    if (last && last.batch.length < most && last.bytes + bytes <= maxBytes) {
      last.batch.push(record)
      last.bytes += bytes
    } else batches.push({ first: index, batch: [record], bytes })
  }
  return batches
}
