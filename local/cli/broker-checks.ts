import { topics } from '../../functions/topics.ts'
import { type Config, kafkaConnection } from '../../shared/config/index.ts'
import { brokerTopic, createClient, missingTopics } from '../../shared/kafka/index.ts'
import { type Check, check } from './checks.ts'

/** Whether the broker answers, takes the credentials and has the topics; nothing where none is configured. */
export async function brokerChecks(config: Config): Promise<Check[]> {
  const connection = kafkaConnection(config)
  if (!connection) return []
  const names = topics.map(({ name }) => brokerTopic(name, config.KAFKA_MEMORY_EVENTS_TOPIC))
  const ask = async () => {
    const missing = await missingTopics(createClient(connection), names)
    if (missing.length) throw new Error(`The broker answers, but there is no topic ${missing.join(', ')}: run \`npx soma topics ensure\``)
    return `The broker at ${connection.brokers.join(', ')} answers, and has ${names.join(' and ')}.`
  }
  return [await check('kafka', ask)]
}
