import { ConfigError, type KafkaConnection } from '../config/index.ts'

type KafkaError = Error & { type?: string; cause?: unknown; errors?: unknown[]; partitions?: { error?: unknown }[] }
const unreachable = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSGroupCoordinatorNotFound',
])
const missing = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'])

/** The broker's error as a sentence that says what to look at, with the error itself as cause. */
export function explain(error: unknown, { brokers, tls }: KafkaConnection, topic?: string): Error {
  if (error instanceof ConfigError || error instanceof KafkaSentence) return error
  const { name, type, message } = rootOf(error)
  const said = message.replace(/[.!?]$/, '')
  let sentence = `The broker said: ${said}.`
  if (name === 'KafkaJSSASLAuthenticationError' || type === 'SASL_AUTHENTICATION_FAILED')
    sentence = `The broker refused the credentials (${said}): look at KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM.`
  else if (type === 'UNSUPPORTED_SASL_MECHANISM' || type === 'ILLEGAL_SASL_STATE' || /SASL .*mechanism/i.test(said))
    sentence = `The broker refused the mechanism (${said}): look at KAFKA_SASL_MECHANISM and KAFKA_SECURITY_PROTOCOL.`
  else if (type !== undefined && /_AUTHORIZATION_FAILED$/.test(type))
    sentence = `The broker does not allow it (${type}): give the user of KAFKA_SASL_USERNAME, or the role, the right.`
  else if ((type !== undefined && missing.has(type)) || name === 'KafkaJSTopicMetadataNotLoaded')
    sentence = `The topic ${topic ?? ''} is not there, or has no leader: run \`npx soma topics ensure\`.`.replace('  ', ' ')
  else if (name === 'KafkaJSNotImplemented')
    sentence = `A record of the topic ${topic ?? ''} is compressed by a codec that is not read here (${said}), and its partition waits: set compression.type=uncompressed on the topic, as \`npx soma topics ensure\` does for a new one, and lead the group past what lies there already (docs/runbook.md).`
  else if (unreachable.has(name)) {
    const more = tls ? 'KAFKA_SECURITY_PROTOCOL, KAFKA_SSL_CA_LOCATION' : 'KAFKA_SECURITY_PROTOCOL'
    sentence = `No broker answers at ${brokers.join(', ')} (${said}): look at KAFKA_BOOTSTRAP_SERVERS, ${more} and the broker.`
  }
  return new KafkaSentence(sentence, { cause: error })
}

/** An error that has been put into words already. */
export class KafkaSentence extends Error {
  override readonly name = 'KafkaSentence'
}

/** The library wraps what happened, at times several times; of an aggregate the first counts. */
export function rootOf(error: unknown): KafkaError {
  const one = (error instanceof Error ? error : new Error(String(error))) as KafkaError
  const inner = one.errors?.[0] ?? one.partitions?.[0]?.error ?? one.cause
  return inner instanceof Error ? rootOf(inner) : one
}
