import type { Publisher } from '../bus/index.ts'
import { brokerTopic } from './names.ts'
import type { Sender } from './sender.ts'

/** Publishes to the broker: a record is done when the broker has acknowledged it, poison when it is larger than the topic takes, otherwise the broker is away. */
export function kafkaPublisher(sender: Sender, eventsTopic: string): Publisher {
  return {
    name: 'kafka',
    async publish(records) {
      const answers = await sender.send(records.map(({ topic, key, value, headers }) => ({ topic: brokerTopic(topic, eventsTopic), key, value, headers })))
      return answers.map((failure, index) => failure && { index, error: failure.error, poison: failure.tooLarge, away: !failure.tooLarge })
    },
  }
}
