import * as z from 'zod'

const lower = z.string().transform((text) => text.toLowerCase())
const upper = z.string().transform((text) => text.toUpperCase())

const servers = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim().replace(/^kafka:\/\//, '')))
  .refine((list) => list.every((one) => /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/.test(one)), { error: 'takes host:port, several split by commas' })

/** Kafka's own names and values, in whatever case. */
export const kafkaVariables = {
  KAFKA_BOOTSTRAP_SERVERS: servers.optional(),
  KAFKA_SECURITY_PROTOCOL: upper.pipe(z.enum(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'])).optional(),
  KAFKA_SASL_MECHANISM: lower.pipe(z.enum(['plain', 'scram-sha-256', 'scram-sha-512', 'aws-msk-iam'])).optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
  KAFKA_SSL_CA_LOCATION: z.string().optional(),
  // the dead letters' topic has four more characters, and Kafka takes 249
  KAFKA_MEMORY_EVENTS_TOPIC: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,245}$/, { error: 'takes up to 245 letters, digits and ._-' })
    .refine((name) => !/^\.+$/.test(name), { error: 'takes a name of more than dots' })
    .default('memory.events'),
  KAFKA_MAKE_TOPICS: z.enum(['0', '1']).default('0'),
}

type KafkaValues = z.output<z.ZodObject<typeof kafkaVariables>> & { AWS_REGION?: string | undefined }
/** Where the broker is and how it is spoken to. */
export type KafkaConnection = {
  brokers: string[]
  tls: boolean
  caLocation: string | undefined
  sasl: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string } | { mechanism: 'aws-msk-iam'; region: string } | undefined
}

/** What does not go together, one sentence each; `given` also has the names that stand for secrets. */
export function kafkaProblems(values: KafkaValues, given: Record<string, string | undefined>): string[] {
  const { KAFKA_BOOTSTRAP_SERVERS: brokers, KAFKA_SECURITY_PROTOCOL: protocol, KAFKA_SASL_MECHANISM: mechanism } = values
  if (!brokers) return []
  const problems: string[] = []
  if (mechanism && protocol && !protocol.startsWith('SASL'))
    problems.push(`KAFKA_SASL_MECHANISM is set, but KAFKA_SECURITY_PROTOCOL got "${protocol}": it takes SASL_SSL or SASL_PLAINTEXT.`)
  if (!mechanism && protocol?.startsWith('SASL')) problems.push(`KAFKA_SECURITY_PROTOCOL got "${protocol}": it needs KAFKA_SASL_MECHANISM.`)
  if (mechanism === 'aws-msk-iam') {
    if (protocol === 'SASL_PLAINTEXT') problems.push('KAFKA_SASL_MECHANISM got "aws-msk-iam": KAFKA_SECURITY_PROTOCOL takes SASL_SSL then.')
    if (!values.AWS_REGION) problems.push('KAFKA_SASL_MECHANISM got "aws-msk-iam": it needs AWS_REGION.')
  } else if (mechanism && !(values.KAFKA_SASL_USERNAME && (values.KAFKA_SASL_PASSWORD || given.KAFKA_SASL_PASSWORD_SECRET_ARN))) {
    problems.push(`KAFKA_SASL_MECHANISM got "${mechanism}": it needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.`)
  }
  if (values.KAFKA_SSL_CA_LOCATION && protocol !== 'SSL' && protocol !== 'SASL_SSL' && mechanism !== 'aws-msk-iam')
    problems.push('KAFKA_SSL_CA_LOCATION is set, but the connection has no TLS: KAFKA_SECURITY_PROTOCOL takes SSL or SASL_SSL.')
  return problems
}

/** A broker's settings without a broker do nothing: said aloud. */
export function kafkaWarnings(values: KafkaValues, given: Record<string, string | undefined>): string[] {
  if (values.KAFKA_BOOTSTRAP_SERVERS) return []
  const idle = Object.keys(kafkaVariables).filter((name) => given[name] || given[`${name}_SECRET_ARN`])
  return idle.map((name) => `${name} is set, but KAFKA_BOOTSTRAP_SERVERS is not: no broker is used.`)
}

/** The connection that the configuration asks for, secrets fetched; undefined without KAFKA_BOOTSTRAP_SERVERS. With SASL and no protocol it is TLS. */
export function kafkaConnection(values: KafkaValues): KafkaConnection | undefined {
  const { KAFKA_BOOTSTRAP_SERVERS: brokers, KAFKA_SECURITY_PROTOCOL: protocol, KAFKA_SASL_MECHANISM: mechanism } = values
  if (!brokers) return undefined
  const tls = protocol ? protocol.endsWith('SSL') : mechanism !== undefined
  const credentials = { username: values.KAFKA_SASL_USERNAME ?? '', password: values.KAFKA_SASL_PASSWORD ?? '' }
  const sasl = mechanism && (mechanism === 'aws-msk-iam' ? { mechanism, region: values.AWS_REGION ?? '' } : { mechanism, ...credentials })
  return { brokers, tls, caLocation: values.KAFKA_SSL_CA_LOCATION, sasl }
}
