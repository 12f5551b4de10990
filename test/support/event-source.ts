import kafkajs, { type KafkaMessage } from 'kafkajs'

export type EventSource = { invocations: () => number; stop(): Promise<void> }
type Answer = { batchItemFailures?: { itemIdentifier: { partition: string; offset: number } }[] }

/**
 * What an event source mapping of MSK does: polls a topic in the function's group, invokes with batches of one partition, and goes on from where the function says, or
 * sends the batch again when it failed. Its offsets are committed behind what is done.
 */
export async function eventSource(
  bootstrap: string,
  { group, topic, batchSize }: { group: string; topic: string; batchSize: number },
  invoke: (event: object) => Promise<unknown>,
): Promise<EventSource> {
  const kafka = new kafkajs.Kafka({ brokers: [bootstrap], logLevel: kafkajs.logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 200 })
  let invocations = 0
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachBatchAutoResolve: false,
    async eachBatch({ batch, resolveOffset, commitOffsetsIfNecessary, uncommittedOffsets, heartbeat }) {
      const messages = batch.messages.slice(0, batchSize)
      const name = `${batch.topic}-${batch.partition}`
      invocations += 1
      const records = { [name]: messages.map((message) => recordOf(batch.topic, batch.partition, message)) }
      const { batchItemFailures = [] } = (await invoke({ eventSource: 'aws:kafka', bootstrapServers: bootstrap, records })) as Answer
      const from = batchItemFailures.find(({ itemIdentifier }) => itemIdentifier.partition === name)?.itemIdentifier.offset
      const done = from === undefined ? messages : messages.filter((message) => Number(message.offset) < from)
      const last = done.at(-1)
      if (last) resolveOffset(last.offset)
      await commitOffsetsIfNecessary(uncommittedOffsets())
      await heartbeat()
    },
  })
  return { invocations: () => invocations, stop: () => consumer.disconnect() }
}

/** As Lambda writes a record: bytes in base64, those of headers as Java's signed numbers. */
function recordOf(topic: string, partition: number, { offset, timestamp, key, value, headers = {} }: KafkaMessage): object {
  const signed = (bytes: Buffer | string) => [...Buffer.from(bytes)].map((byte) => (byte > 127 ? byte - 256 : byte))
  return {
    topic,
    partition,
    offset: Number(offset),
    timestamp: Number(timestamp),
    timestampType: 'CREATE_TIME',
    key: key?.toString('base64') ?? null,
    value: value?.toString('base64') ?? null,
    headers: Object.entries(headers).map(([name, header]) => ({ [name]: signed([header].flat().at(-1) ?? '') })),
  }
}
