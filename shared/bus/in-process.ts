import type { EventRecord, RecordFailure } from '../handler/index.ts'
import type { Publisher, Subscriber } from './port.ts'

/** Hands records to the consumers in this process. The outbox behind it is what lasts: a record counts as published when all have applied it. */
export function inProcessBus(subscribers: () => Subscriber[]): Publisher {
  return {
    name: 'in-process',
    direct: true,
    async publish(records) {
      const results = new Map<number, RecordFailure>()
      for (const subscriber of subscribers()) {
        const wanted = records.map((record, index) => ({ record, index })).filter(({ record }) => record.topic === subscriber.topic)
        for (let i = 0; i < wanted.length; i += subscriber.batchSize) {
          const batch = wanted.slice(i, i + subscriber.batchSize)
          for (const failure of await deliver(
            subscriber,
            batch.map(({ record }) => record),
          )) {
            const index = (batch[failure.index] as { index: number }).index
            results.set(index, { ...failure, index, error: new Error(`${subscriber.name}: ${failure.error.message}`, { cause: failure.error }) })
          }
        }
      }
      return records.map((_, index) => results.get(index) ?? null)
    },
  }
}

async function deliver(subscriber: Subscriber, records: EventRecord[]): Promise<RecordFailure[]> {
  try {
    return await subscriber.handler(records)
  } catch (error) {
    return records.map((_, index) => ({ index, poison: false, error: error instanceof Error ? error : new Error(String(error)) }))
  }
}
