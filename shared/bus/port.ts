import type { EventRecord, RecordFailure, RecordHandler } from '../handler/index.ts'

/**
 * Where the drain publishes to. `null` for a record means the transport has it for good: an in-process bus says so when every consumer has
 * applied it, a broker when it has acknowledged it.
 */
export type Publisher = {
  name: string
  publish(records: EventRecord[]): Promise<(RecordFailure | null)[]>
  /** Consumers are called directly: where one is away, the others still take the next tenant's records. */
  direct?: true
}

export type Subscriber = { name: string; topic: string; batchSize: number; handler: RecordHandler }
