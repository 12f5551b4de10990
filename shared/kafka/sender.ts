import type { Message, Producer } from 'kafkajs'
import type { KafkaClient } from './client.ts'
import { explain, rootOf } from './explain.ts'

/** `topic` as the broker knows it; without a partition the key decides. */
export type Outgoing = { topic: string; partition?: number; key: Buffer | string | null; value: Buffer | string | null; headers: Record<string, Buffer | string> }
export type SendFailure = { error: Error; tooLarge: boolean }
/** Answers null for what the broker has acknowledged, in the order of the messages; never throws. */
export type Sender = { send(messages: Outgoing[]): Promise<(SendFailure | null)[]>; close(): Promise<void> }

/** All of a batch for one partition is one record batch, and a broker takes 1 MiB of that. */
const chunkBytes = 900 * 1024
const chunkMessages = 1_000
/** Less than the lease of an outbox row (60 s), however many retries the library makes. */
const sendMs = 25_000
const closeMs = 5_000

/**
 * An idempotent producer with acks=all, one batch at a time. Two properties of kafkajs 2.2.4 are made good here. After a failure it gives the next batch the numbers
 * of the failed one, which the broker may have written: it would take other records for a repetition and drop them, so each failure ends the producer and its numbers.
 * And when a partition moves to a leader that has answered already, it never sends it and reports success: so each partition's own acknowledgement is looked for.
 */
export function createSender(client: KafkaClient): Sender {
  let current: { producer: Promise<Producer>; partitions: WeakMap<object, number> } | undefined
  let turn: Promise<unknown> = Promise.resolve()

  function connected() {
    const partitions = new WeakMap<object, number>()
    current ??= { producer: connectProducer(client, partitions), partitions }
    return current
  }
  async function discard(): Promise<void> {
    const last = current
    current = undefined
    const ending = last?.producer.then((producer) => producer.disconnect())
    if (ending) await within(closeMs, ending).catch(() => {}) // it is gone either way
  }

  async function attempt(topic: string, messages: Message[]): Promise<(Error | null)[]> {
    const { producer, partitions } = connected()
    const send = producer.then((one) => one.send({ topic, messages, acks: -1, timeout: 10_000 }))
    const acknowledged = new Set((await within(sendMs, send)).filter(({ errorCode }) => errorCode === 0).map(({ partition }) => partition))
    return messages.map((message) => (acknowledged.has(partitions.get(message) ?? -1) ? null : new Error('The broker has not acknowledged the partition; it is sent again.')))
  }

  async function sendChunk(topic: string, messages: Message[]): Promise<(SendFailure | null)[]> {
    try {
      const errors = await attempt(topic, messages)
      if (errors.some((error) => error !== null)) await discard()
      return errors.map((error) => error && { error, tooLarge: false })
    } catch (error) {
      await discard()
      if (!isTooLarge(error)) return messages.map(() => ({ error: explain(error, client.connection, topic), tooLarge: false }))
      if (messages.length === 1) return [{ error: new Error('The record is larger than the topic takes (max.message.bytes).', { cause: error }), tooLarge: true }]
      return sendChunks(
        messages.map((message) => () => sendChunk(topic, [message])),
        messages.map(() => 1),
      )
    }
  }

  async function sendTopic(topic: string, messages: Outgoing[]): Promise<(SendFailure | null)[]> {
    const chunks = chunksOf(messages)
    return sendChunks(
      chunks.map(
        (chunk) => () =>
          sendChunk(
            topic,
            chunk.map(({ topic: _topic, ...message }) => message),
          ),
      ),
      chunks.map((chunk) => chunk.length),
    )
  }

  async function sendAll(messages: Outgoing[]): Promise<(SendFailure | null)[]> {
    const answers: (SendFailure | null)[] = messages.map(() => null)
    for (const [topic, indexes] of Map.groupBy(messages.keys(), (index) => messages[index]?.topic ?? '')) {
      const some = await sendTopic(
        topic,
        indexes.map((index) => messages[index] as Outgoing),
      )
      for (const [place, index] of indexes.entries()) answers[index] = some[place] ?? null
    }
    return answers
  }

  return {
    send(messages) {
      const mine = turn.then(() => sendAll(messages))
      turn = mine.catch(() => {})
      return mine
    },
    async close() {
      await turn
      await discard()
    },
  }
}

/** One after the other; when one was not taken, the rest would wait for the same timeouts: they share its error. What is too large says nothing about the rest. */
async function sendChunks(sends: (() => Promise<(SendFailure | null)[]>)[], lengths: number[]): Promise<(SendFailure | null)[]> {
  const answers: (SendFailure | null)[] = []
  let failed: SendFailure | undefined
  for (const [place, send] of sends.entries()) {
    const some = failed ? Array.from({ length: lengths[place] ?? 0 }, () => failed as SendFailure) : await send()
    failed ??= some.find((one) => one !== null && !one.tooLarge) ?? undefined
    answers.push(...some)
  }
  return answers
}

async function connectProducer(client: KafkaClient, partitions: WeakMap<object, number>): Promise<Producer> {
  const { kafka, library } = await client.load()
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4 },
    createPartitioner: () => {
      const choose = library.Partitioners.DefaultPartitioner()
      return (args) => {
        const partition = choose(args)
        partitions.set(args.message, partition)
        return partition
      }
    },
  })
  await producer.connect()
  return producer
}

function chunksOf(messages: Outgoing[]): Outgoing[][] {
  const chunks: Outgoing[][] = []
  let bytes = 0
  for (const message of messages) {
    const size = sizeOf(message)
    const last = chunks.at(-1)
    if (last && last.length < chunkMessages && bytes + size <= chunkBytes) {
      last.push(message)
      bytes += size
    } else {
      chunks.push([message])
      bytes = size
    }
  }
  return chunks
}

function sizeOf({ key, value, headers }: Outgoing): number {
  const parts = [key ?? '', value ?? '', ...Object.entries(headers).flat()]
  return parts.reduce((sum, part) => sum + Buffer.byteLength(part) + 8, 64)
}

function isTooLarge(error: unknown): boolean {
  const { type } = rootOf(error)
  return type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE'
}

/** @throws Error when it takes longer */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error(`no answer within ${ms / 1000} s`), { name: 'KafkaJSRequestTimeoutError' })), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
