import type { Bury } from './apply.ts'
import { deadLetterTopic } from './names.ts'
import type { Sender } from './sender.ts'

/** The headers of a dead letter beside the record's own. */
export const deadLetterHeaders = {
  reason: 'dlq-reason',
  consumer: 'dlq-consumer',
  topic: 'dlq-source-topic',
  partition: 'dlq-source-partition',
  offset: 'dlq-source-offset',
  firstSeen: 'dlq-first-seen',
  /** `value` when the record was too large for the topic with its headers. */
  leftOut: 'dlq-left-out',
  /** Where the letter lay that this record was before it was replayed, when, and how often by now. */
  replayedFrom: 'dlq-replayed-from',
  replayedAt: 'dlq-replayed-at',
  replays: 'dlq-replays',
} as const
const longestReason = 500

/** Puts a record, byte by byte as it came, into its topic's dead letters, with the reason and where it came from. */
export function deadLetters(sender: Sender, consumer: string, onBuried: (reason: string, source: { topic: string; partition: number; offset: string }) => void): Bury {
  // of records whose burial failed, so that a later try tells the first sight and not its own
  const seen = new Map<string, string>()
  return async (message, reason) => {
    const { topic, partition, offset } = message
    const place = `${topic} ${partition} ${offset}`
    const firstSeen = seen.get(place) ?? new Date().toISOString()
    const headers = {
      ...message.headers,
      [deadLetterHeaders.reason]: reason.slice(0, longestReason),
      [deadLetterHeaders.consumer]: consumer,
      [deadLetterHeaders.topic]: topic,
      [deadLetterHeaders.partition]: String(partition),
      [deadLetterHeaders.offset]: offset,
      [deadLetterHeaders.firstSeen]: firstSeen,
    }
    const letter = { topic: deadLetterTopic(topic), key: message.key, value: message.value, headers }
    let [failure] = await sender.send([letter])
    // with its headers it can be larger than the topic takes; its place says where the whole of it is
    if (failure?.tooLarge) [failure] = await sender.send([{ ...letter, value: null, headers: { ...headers, [deadLetterHeaders.leftOut]: 'value' } }])
    if (failure) {
      seen.set(place, firstSeen)
      throw new Error(`The record at offset ${offset} of partition ${partition} could not be put into ${deadLetterTopic(topic)}: ${failure.error.message}`, {
        cause: failure.error,
      })
    }
    seen.delete(place)
    onBuried(reason, { topic, partition, offset })
  }
}
