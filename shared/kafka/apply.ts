import type { EventRecord, RecordFailure, RecordHandler } from '../handler/index.ts'

/** A record as a broker hands it over, whoever fetched it. `topic` as the broker knows it. */
export type Received = { topic: string; partition: number; offset: string; key: Buffer | null; value: Buffer | null; headers: Record<string, Buffer> }
/** Puts a record where it stops nothing. @throws Error when the broker has not acknowledged it */
export type Bury = (message: Received, reason: string) => Promise<void>
/** How many records from the front are done for good, applied or buried; and what stopped at the next one, which is to be tried again. */
export type Applied = { done: number; failure: Error | null }

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Applies records of one partition in their order. Nothing is passed over: what can never be applied is buried first, and what may be applied later ends the run. */
export async function applyInOrder(handler: RecordHandler, topic: string, messages: readonly Received[], bury: Bury): Promise<Applied> {
  const decoded = messages.map((message) => decode(topic, message))
  const readable = decoded.flatMap((one, index) => ('record' in one ? [{ record: one.record, index }] : []))
  const failures = new Map<number, RecordFailure>()
  try {
    const failed = readable.length ? await handler(readable.map(({ record }) => record)) : []
    for (const failure of failed) failures.set(readable[failure.index]?.index ?? -1, failure)
  } catch (error) {
    for (const { index } of readable) failures.set(index, { index, poison: false, error: error instanceof Error ? error : new Error(String(error)) })
  }
  for (const [index, message] of messages.entries()) {
    const one = decoded[index]
    const failure = failures.get(index)
    const reason = one && 'unreadable' in one ? one.unreadable : failure?.poison ? failure.error.message : undefined
    if (reason === undefined && !failure) continue
    if (reason === undefined) return { done: index, failure: (failure as RecordFailure).error }
    try {
      await bury(message, reason)
    } catch (error) {
      return { done: index, failure: error as Error }
    }
  }
  return { done: messages.length, failure: null }
}

function decode(topic: string, { key, value, headers }: Received): { record: EventRecord } | { unreadable: string } {
  try {
    return {
      record: {
        topic,
        key: key === null ? '' : utf8.decode(key),
        value: value === null ? null : utf8.decode(value),
        headers: Object.fromEntries(Object.entries(headers).map(([name, bytes]) => [name, bytes.toString('utf8')])),
      },
    }
  } catch {
    return { unreadable: 'the record is not UTF-8' }
  }
}
