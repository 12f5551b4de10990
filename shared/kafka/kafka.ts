import type { Publisher, Subscriber } from '../bus/index.ts'
import type { KafkaConnection } from '../config/index.ts'
import type { Bury } from './apply.ts'
import { createClient, type KafkaClient } from './client.ts'
import { type ConsumerHooks, type RunningConsumer, startConsumer } from './consumer.ts'
import { deadLetters } from './dead-letter.ts'
import { brokerTopic, groupId } from './names.ts'
import { kafkaPublisher } from './publisher.ts'
import { createSender } from './sender.ts'

export type KafkaHooks = {
  onRetry(group: string, ...rest: Parameters<ConsumerHooks['onRetry']>): void
  onAway(group: string, error: Error): void
  onLag(lag: { group: string; topic: string; partition: number; lag: number }): void
  onBuried(consumer: string, reason: string, source: { topic: string; partition: number; offset: string }): void
}
/** The broker of the configuration: one producer, connected by its first use, and a consumer a handler. */
export type Kafka = {
  client: KafkaClient
  publisher: Publisher
  /** Where a handler's records go that can never be applied. */
  buryOf(handler: string): Bury
  consume(subscriber: Subscriber): RunningConsumer
  /** Stops the consumers, which leave their groups, and then the producer that buried for them. */
  close(): Promise<void>
}

export function openKafka(connection: KafkaConnection, eventsTopic: string, hooks: KafkaHooks): Kafka {
  const client = createClient(connection)
  const sender = createSender(client)
  const consumers = new Set<RunningConsumer>()
  const buryOf = (handler: string) => deadLetters(sender, handler, (reason, source) => hooks.onBuried(handler, reason, source))
  return {
    client,
    publisher: kafkaPublisher(sender, eventsTopic),
    buryOf,
    consume({ name, topic, batchSize, handler }) {
      const group = groupId(name, eventsTopic)
      const what = { group, topic, brokerTopic: brokerTopic(topic, eventsTopic), batchSize, handler, bury: buryOf(name) }
      const consumer = startConsumer(client, what, {
        onLag: (partition, lag) => hooks.onLag({ group, topic, partition, lag }),
        onRetry: (error, place) => hooks.onRetry(group, error, place),
        onAway: (error) => hooks.onAway(group, error),
      })
      consumers.add(consumer)
      return consumer
    },
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.stop()))
      await sender.close()
    },
  }
}
