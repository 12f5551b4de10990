import { topics } from '../functions/topics.ts'
import { type RunningKafka, startKafka } from '../local/services/kafka.ts'
import { type KafkaConnection, kafkaConnection, parseConfig } from '../shared/config/index.ts'
import { createClient, ensureTopics } from '../shared/kafka/index.ts'
import { memoryEventsTopic } from '../shared/outbox/index.ts'

export type Broker = { kafka: RunningKafka; topic: string; environment: Record<string, string> }

/** A Kafka of this run's own, one node, with the topics of the manifest; `cleanUp` stops it. */
export async function openBroker(cleanUp: AsyncDisposableStack): Promise<Broker> {
  const kafka = await startKafka()
  cleanUp.defer(kafka.stop)
  const environment = { KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers }
  const connection = kafkaConnection(parseConfig(environment)) as KafkaConnection
  await ensureTopics(
    createClient(connection),
    topics.map((one) => ({ ...one, replication: 1 })),
    { dryRun: false },
  )
  return { kafka, topic: memoryEventsTopic, environment }
}
