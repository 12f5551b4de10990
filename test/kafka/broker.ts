import { randomBytes } from 'node:crypto'
import kafkajs, { type IHeaders } from 'kafkajs'
import { topics } from '../../functions/topics.ts'
import { type KafkaConnection, kafkaConnection, parseConfig } from '../../shared/config/index.ts'
import { brokerTopic, createClient, ensureTopics, type Kafka, openKafka } from '../../shared/kafka/index.ts'
import { runProcess } from '../http/processes.ts'

export const connectionTo = (environment: Record<string, string>): KafkaConnection => kafkaConnection(parseConfig(environment)) as KafkaConnection
export const randomTopic = () => `t-${randomBytes(6).toString('hex')}.events`

/** A topic of a test's own, with its dead letters: 3 partitions. */
export async function makeTopic(bootstrap: string): Promise<string> {
  const topic = randomTopic()
  const wanted = topics.map((one) => ({ ...one, name: brokerTopic(one.name, topic), partitions: Math.min(3, one.partitions) }))
  await ensureTopics(createClient(connectionTo({ KAFKA_BOOTSTRAP_SERVERS: bootstrap })), wanted, { dryRun: false })
  return topic
}

export type Seen = { retries: { partition: number; offset: string; attempts: number }[]; lags: Map<number, number>; away: string[] }
/** The broker as the product opens it, and what it told. */
export function openBroker(bootstrap: string, topic: string): Kafka & { seen: Seen } {
  const seen: Seen = { retries: [], lags: new Map(), away: [] }
  const kafka = openKafka(connectionTo({ KAFKA_BOOTSTRAP_SERVERS: bootstrap }), topic, {
    onLag: ({ partition, lag }) => seen.lags.set(partition, lag),
    onRetry: (_group, _error, place) => seen.retries.push(place),
    onAway: (_group, error) => seen.away.push(error.message),
    onBuried: () => {},
  })
  return { ...kafka, seen }
}

/** The plain library, as some other program uses it. */
export const plainClient = (bootstrap: string) => new kafkajs.Kafka({ brokers: [bootstrap], logLevel: kafkajs.logLevel.NOTHING })

export async function produce(bootstrap: string, topic: string, messages: { key?: string | null; value: string | Buffer | null; partition?: number; headers?: IHeaders }[]) {
  const producer = plainClient(bootstrap).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner, allowAutoTopicCreation: false })
  await producer.connect()
  try {
    return await producer.send({ topic, messages })
  } finally {
    await producer.disconnect()
  }
}

export type Letter = { partition: number; key: string | undefined; value: Buffer | null; headers: Record<string, string> }
/** Reads a topic from its beginning until `enough` says so. */
export async function readUntil(bootstrap: string, topic: string, enough: (letters: Letter[]) => boolean): Promise<Letter[]> {
  const consumer = plainClient(bootstrap).consumer({ groupId: `reader-${randomBytes(6).toString('hex')}`, maxWaitTimeInMs: 200 })
  // by place: a consumer that the library starts anew reads from the beginning again
  const letters = new Map<string, Letter>()
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  try {
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || reject(payload.error))
      consumer
        .run({
          eachMessage: async ({ partition, message }) => {
            const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)])
            letters.set(`${partition}:${message.offset}`, { partition, key: message.key?.toString(), value: message.value, headers: Object.fromEntries(headers) })
            if (enough([...letters.values()])) resolve()
          },
        })
        .catch(reject)
    })
    return [...letters.values()]
  } finally {
    await consumer.disconnect()
  }
}

/** Sends lines as a producer with another codec does, in a process of its own: the library keeps codecs for all that use it. */
export async function produceCompressed(bootstrap: string, topic: string, codec: 'snappy' | 'zstd', lines: string[]): Promise<void> {
  const { code, stderr } = await runProcess(['test/kafka/compressed-producer.ts', bootstrap, topic, codec, ...lines], {})
  if (code !== 0) throw new Error(`the producer ended with ${code}: ${stderr}`)
}

/** Waits for a condition, as long as the test may take. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50))
}
