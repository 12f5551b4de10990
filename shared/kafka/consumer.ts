import { setTimeout as sleep } from 'node:timers/promises'
import type { EachBatchPayload, IHeaders, KafkaMessage } from 'kafkajs'
import type { RecordHandler } from '../handler/index.ts'
import { applyInOrder, type Bury, type Received } from './apply.ts'
import type { KafkaClient } from './client.ts'
import { explain } from './explain.ts'
import { within } from './sender.ts'

/** `topic` is the code's name for what is `brokerTopic` on the broker. */
export type Consumption = { group: string; topic: string; brokerTopic: string; batchSize: number; handler: RecordHandler; bury: Bury }
export type ConsumerHooks = {
  onLag(partition: number, lag: number): void
  /** The record at this place is tried again after a pause. */
  onRetry(error: Error, place: { partition: number; offset: string; attempts: number; waitMs: number }): void
  /** The consumer is away from the broker, or ended; it comes back by itself. */
  onAway(error: Error): void
}
export type RunningConsumer = { state(): { ok: boolean; detail?: string }; stop(): Promise<void> }

const heartbeatMs = 2_000
const sessionMs = 10_000
/** A member whose batch is under way has this long to come to a rebalance. */
const rebalanceMs = 60_000
/** Without a sign from the broker for this long the consumer does not count as ready. */
const silenceMs = 15_000
const longestWaitMs = 30_000
const longestAwayMs = 5_000
const stopMs = 15_000

/** Exponential with full jitter. */
const jitter = (attempts: number, longest: number, random = Math.random()) => random * Math.min(longest, 100 * 2 ** attempts)

/**
 * Consumes a topic in a group until it is stopped. Offsets are committed after their records were applied or buried. A record that may be applied later pauses its
 * partition, and is tried again as long as it takes. Whatever the broker does, this goes on: a consumer that the library gives up is followed by a new one.
 */
export function startConsumer(client: KafkaClient, what: Consumption, hooks: ConsumerHooks): RunningConsumer {
  const stopping = new AbortController()
  const attempts = new Map<number, number>()
  const resuming = new Set<NodeJS.Timeout>()
  let lastSign = 0
  let reason = 'it has not joined its group yet'

  function backOff(error: Error, { batch, pause }: EachBatchPayload, offset: string): void {
    const tries = (attempts.get(batch.partition) ?? 0) + 1
    attempts.set(batch.partition, tries)
    const waitMs = jitter(tries, longestWaitMs)
    const resume = pause()
    const timer = setTimeout(() => {
      resuming.delete(timer)
      resume()
    }, waitMs)
    resuming.add(timer)
    hooks.onRetry(error, { partition: batch.partition, offset, attempts: tries, waitMs: Math.round(waitMs) })
  }

  async function takeBatch(payload: EachBatchPayload): Promise<void> {
    const { batch, heartbeat, resolveOffset, commitOffsetsIfNecessary, uncommittedOffsets, isRunning, isStale } = payload
    for (let from = 0; from < batch.messages.length; from += what.batchSize) {
      if (!isRunning() || isStale()) return
      const part = batch.messages.slice(from, from + what.batchSize)
      const received = part.map((message) => receivedOf(batch.topic, batch.partition, message))
      const { result, lost } = await beating(heartbeat, applyInOrder(what.handler, what.topic, received, what.bury))
      const last = part[result.done - 1]
      if (last) {
        attempts.delete(batch.partition)
        resolveOffset(last.offset)
        await commitOffsetsIfNecessary(uncommittedOffsets())
      }
      const next = part[result.done]?.offset ?? batch.messages[from + part.length]?.offset
      hooks.onLag(batch.partition, next === undefined ? 0 : Number(BigInt(batch.highWatermark) - BigInt(next)))
      if (result.failure && next !== undefined) return backOff(result.failure, payload, next)
      // the group goes on without us, or waits for us: joining it again is the runner's part
      if (lost) throw lost
      await heartbeat()
    }
  }

  /** Joins the group and consumes until asked to stop. @throws Error when the broker is gone or refuses */
  async function consume(): Promise<void> {
    const { kafka } = await client.load()
    const consumer = kafka.consumer({
      groupId: what.group,
      heartbeatInterval: heartbeatMs,
      sessionTimeout: sessionMs,
      rebalanceTimeout: rebalanceMs,
      maxWaitTimeInMs: 1_000,
      allowAutoTopicCreation: false,
      // a crashed consumer is replaced below, by one path for every reason
      retry: { initialRetryTime: 200, maxRetryTime: 1_000, retries: 3, restartOnFailure: async () => false },
    })
    const sign = () => {
      lastSign = Date.now()
    }
    const { CRASH, FETCH, GROUP_JOIN, HEARTBEAT } = consumer.events
    for (const event of [FETCH, GROUP_JOIN, HEARTBEAT] as const) consumer.on(event, sign)
    const crashed = new Promise<never>((_, reject) => consumer.on(CRASH, ({ payload }) => reject(payload.error)))
    crashed.catch(() => {})
    const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve(), { once: true }))
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [what.brokerTopic], fromBeginning: true })
      // 1 partition at a time; what waits for its next try is paused and holds up no other
      await consumer.run({ eachBatchAutoResolve: false, eachBatch: takeBatch })
      if (!stopping.signal.aborted) await Promise.race([crashed, stopped])
      await consumer.disconnect()
    } catch (error) {
      await within(sessionMs, consumer.disconnect()).catch(() => {}) // it may be half gone; the broker's session ends by itself
      throw error
    }
  }

  async function keepConsuming(): Promise<void> {
    for (let failures = 1; !stopping.signal.aborted; failures += 1) {
      const joined = lastSign
      try {
        await consume()
      } catch (error) {
        const explained = explain(error, client.connection, what.brokerTopic)
        if (lastSign !== joined) failures = 1
        lastSign = 0
        reason = explained.message
        hooks.onAway(explained)
        await sleep(100 + jitter(failures, longestAwayMs), undefined, { signal: stopping.signal }).catch(() => {})
      }
    }
  }

  const running = keepConsuming()
  return {
    state() {
      if (Date.now() - lastSign < silenceMs) return { ok: true }
      return { ok: false, detail: lastSign ? `the broker has been silent for more than ${silenceMs / 1000} s` : reason }
    },
    async stop() {
      stopping.abort()
      for (const timer of resuming) clearTimeout(timer)
      // a batch that takes longer is cut off by the end of the process, and repeated by whoever comes next
      await within(stopMs, running).catch(() => {})
    },
  }
}

/** Tells the group that we are alive while `work` takes its time; `lost` is why it no longer counts us in. */
async function beating<T>(heartbeat: () => Promise<void>, work: Promise<T>): Promise<{ result: T; lost: unknown }> {
  let lost: unknown
  const timer = setInterval(() => {
    heartbeat().catch((error) => {
      lost ??= error
    })
  }, heartbeatMs)
  try {
    return { result: await work, lost }
  } finally {
    clearInterval(timer)
  }
}

function receivedOf(topic: string, partition: number, { offset, key, value, headers }: KafkaMessage): Received {
  return { topic, partition, offset, key, value, headers: headersOf(headers ?? {}) }
}

/** A header may come several times: the last one counts. */
function headersOf(headers: IHeaders): Record<string, Buffer> {
  const last = Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.at(-1) : value] as const)
  return Object.fromEntries(last.flatMap(([name, value]) => (value === undefined ? [] : [[name, Buffer.from(value)]])))
}
