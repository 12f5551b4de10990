import * as z from 'zod'
import type { EventRecord, RecordFailure } from '../handler/index.ts'
import type { Publisher } from './port.ts'

/** Invokes a deployed function by name and answers its JSON. */
export type Invoke = (functionName: string, payload: unknown) => Promise<unknown>
export type Consumer = { name: string; topic: string; functionName: string }

const Answer = z.object({ failures: z.array(z.object({ index: z.number().int(), message: z.string(), poison: z.boolean() })) })

/** Hands batches to the record functions by synchronous invocation: the same records and the same guarantees as the bus, without a broker. */
export function invokingPublisher(invoke: Invoke, consumers: Consumer[]): Publisher {
  async function deliver(consumer: Consumer, records: EventRecord[]): Promise<RecordFailure[]> {
    try {
      const { failures } = Answer.parse(await invoke(consumer.functionName, { records }))
      return failures.map(({ index, message, poison }) => ({ index, poison, error: new Error(`${consumer.name}: ${message}`) }))
    } catch (cause) {
      return records.map((_, index) => ({ index, poison: false, error: new Error(`${consumer.name}: the invocation failed`, { cause }) }))
    }
  }
  return {
    name: 'invoke',
    async publish(records) {
      const failures = (await Promise.all(consumers.map((consumer) => deliver(consumer, records)))).flat()
      return records.map((_, index) => failures.find((failure) => failure.index === index) ?? null)
    },
  }
}
