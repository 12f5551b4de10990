import { readFile } from 'node:fs/promises'
import type { Kafka, KafkaConfig } from 'kafkajs'
import { ConfigError, type KafkaConnection } from '../config/index.ts'

export type Library = typeof import('kafkajs')
/** The library is loaded and the CA read on first use: a handler without a broker pays for neither. */
export type KafkaClient = { connection: KafkaConnection; load(): Promise<{ library: Library; kafka: Kafka }> }

/** A connection, and a request, that takes longer has failed. */
const connectMs = 3_000
const requestMs = 10_000

export function createClient(connection: KafkaConnection): KafkaClient {
  let loaded: Promise<{ library: Library; kafka: Kafka }> | undefined
  async function load() {
    // CommonJS: only the default export has all names
    const { default: library } = (await import('kafkajs')) as unknown as { default: Library }
    return { library, kafka: new library.Kafka(await clientConfig(connection, library)) }
  }
  return {
    connection,
    load() {
      loaded ??= load()
      loaded.catch(() => {
        loaded = undefined
      })
      return loaded
    },
  }
}

/** What the library is told. @throws ConfigError when the CA cannot be read */
export async function clientConfig(connection: KafkaConnection, library: Library): Promise<KafkaConfig> {
  const { brokers, tls, sasl } = connection
  return {
    clientId: 'soma',
    brokers,
    connectionTimeout: connectMs,
    authenticationTimeout: requestMs,
    requestTimeout: requestMs,
    // each try takes the next bootstrap server
    retry: { initialRetryTime: 200, maxRetryTime: 1_000, retries: Math.max(2, brokers.length) },
    // what goes wrong comes back as an error and is said in our own words, once
    logLevel: library.logLevel.NOTHING,
    ssl: tls ? await tlsOptions(connection) : false,
    ...(sasl ? { sasl: saslOptions(sasl) } : {}),
  }
}

async function tlsOptions({ caLocation }: KafkaConnection): Promise<{ ca: string[] } | true> {
  if (!caLocation) return true
  try {
    return { ca: [await readFile(caLocation, 'utf8')] }
  } catch (cause) {
    throw new ConfigError(`KAFKA_SSL_CA_LOCATION names a file that cannot be read (${(cause as NodeJS.ErrnoException).code}).`, { cause })
  }
}

function saslOptions(sasl: NonNullable<KafkaConnection['sasl']>): NonNullable<KafkaConfig['sasl']> {
  if (sasl.mechanism !== 'aws-msk-iam') return sasl as NonNullable<KafkaConfig['sasl']>
  return {
    mechanism: 'oauthbearer',
    oauthBearerProvider: async () => ({ value: await (await import('../aws/index.ts')).mskToken(sasl.region) }),
  }
}
