import { randomUUID } from 'node:crypto'
import type { Admin, EachBatchPayload, KafkaMessage } from 'kafkajs'
import type { KafkaClient } from './client.ts'
import { explain, rootOf } from './explain.ts'
import { within } from './sender.ts'

/** The offsets of a partition from `from` up to, and without, `to`. */
export type Range = { partition: number; from: bigint; to: bigint }
export type Visit = (partition: number, messages: KafkaMessage[]) => void | Promise<void>

/** A topic that gives nothing for so long will not be read to its end. */
const silenceMs = 20_000
const sessionMs = 45_000
/** A broker that has just started, or taken over a group, says these for a moment; the library gives a consumer up over them. */
const passing = new Set(['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP'])

/** Where each partition begins and ends now. @throws Error */
export function extentOf(client: KafkaClient, topic: string): Promise<Range[]> {
  return withAdmin(client, topic, async (admin) => {
    const found = await admin.fetchTopicOffsets(topic)
    return found.map(({ partition, low, high }) => ({ partition, from: BigInt(low), to: BigInt(high) })).sort((a, b) => a.partition - b.partition)
  })
}

/** Reads these ranges, each partition in its order; what is written meanwhile is left out. @throws Error when the broker is away, or gives nothing any more */
export async function readRanges(client: KafkaClient, topic: string, ranges: readonly Range[], visit: Visit): Promise<void> {
  const open = new Map(ranges.filter(({ from, to }) => from < to).map(({ partition, from, to }) => [partition, { next: from, to }]))
  if (!open.size) return
  // the library reads by a group only: this one is nobody else's, commits nothing, and is removed afterwards
  const groupId = `soma.dlq-reader.${randomUUID()}`
  const { kafka } = await client.load()
  const consumer = kafka.consumer({
    groupId,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: 500,
    sessionTimeout: sessionMs,
    retry: { initialRetryTime: 200, maxRetryTime: 1_000, retries: 3, restartOnFailure: async (error) => passing.has(rootOf(error).type ?? '') },
  })
  let silence: NodeJS.Timeout | undefined
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await new Promise<void>((done, failed) => {
      const heard = () => {
        clearTimeout(silence)
        silence = setTimeout(() => failed(new Error(`the topic ${topic} gave nothing for ${silenceMs / 1000} s before its end`)), silenceMs)
      }
      heard()
      async function take({ batch, heartbeat }: EachBatchPayload): Promise<void> {
        clearTimeout(silence)
        const range = open.get(batch.partition)
        if (range) {
          // a fetch from the beginning may come before the seek does: what is earlier, or comes again, is passed over
          const fresh = batch.messages.filter(({ offset }) => BigInt(offset) >= range.next && BigInt(offset) < range.to)
          if (fresh.length) await visit(batch.partition, fresh)
          const next = BigInt(batch.lastOffset()) + 1n
          if (next > range.next) range.next = next
          if (range.next >= range.to) open.delete(batch.partition)
        }
        if (!open.size) return done()
        heard()
        await heartbeat()
      }
      consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || failed(payload.error))
      // as soon as it has joined, and again if it had to join again
      consumer.on(consumer.events.GROUP_JOIN, () => {
        for (const { partition, to } of ranges) consumer.seek({ topic, partition, offset: String(open.get(partition)?.next ?? to) })
      })
      consumer.run({ autoCommit: false, eachBatch: (payload) => take(payload).catch(failed) }).catch(failed)
    })
  } catch (error) {
    throw explain(error, client.connection, topic)
  } finally {
    clearTimeout(silence)
    await within(sessionMs, consumer.disconnect()).catch(() => {}) // its session ends by itself
    await withAdmin(client, topic, (admin) => admin.deleteGroups([groupId])).catch(() => {}) // an empty group is removed by the broker in time
  }
}

/** @throws Error in our own words */
export async function withAdmin<T>(client: KafkaClient, topic: string | undefined, work: (admin: Admin) => Promise<T>): Promise<T> {
  try {
    const { kafka } = await client.load()
    const admin = kafka.admin({ retry: { initialRetryTime: 200, maxRetryTime: 1_000, retries: 3 } })
    try {
      await admin.connect()
      return await work(admin)
    } finally {
      await admin.disconnect()
    }
  } catch (error) {
    throw explain(error, client.connection, topic)
  }
}
