import { memoryEventsTopic } from '../outbox/index.ts'

/** What is wrong for good goes from a topic to this one beside it. */
export const deadLetterTopic = (topic: string) => `${topic}.dlq`

/** The name a topic has on the broker: KAFKA_MEMORY_EVENTS_TOPIC renames memory.events, and its dead letters with it. Rows and records keep the name that the code knows. */
export function brokerTopic(topic: string, eventsTopic: string): string {
  if (topic === memoryEventsTopic) return eventsTopic
  if (topic === deadLetterTopic(memoryEventsTopic)) return deadLetterTopic(eventsTopic)
  return topic
}

/** `soma.<handler>`. A renamed topic makes a group of its own: members of one group that read different topics would be given each other's partitions. */
export function groupId(handler: string, eventsTopic: string): string {
  return eventsTopic === memoryEventsTopic ? `soma.${handler}` : `soma.${handler}.${eventsTopic}`
}
