import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { RunningKafka } from '../../local/services/kafka.ts'
import { type RunningPostgres, startPostgres } from '../../local/services/postgres.ts'
import { type RunningRedis, startRedis } from '../../local/services/redis.ts'
import { migrate, openPostgres } from '../../shared/db/index.ts'
import { openBroker } from '../broker.ts'
import { createScratch } from '../product.ts'
import { startEmbedder } from './embedder.ts'

export type Installation = {
  postgres: RunningPostgres
  kafka: RunningKafka
  redis: RunningRedis
  topic: string
  token: string
  /** What every process of the product is told. */
  environment: Record<string, string>
  /** A statement as the superuser, past every policy and on a connection of its own: what an auditor would see. */
  audit<Row>(text: string, values?: unknown[]): Promise<Row[]>
}

/** Real services for one run: a durable PostgreSQL, a Kafka, a Redis that every request is counted in, an embedding server that fails the given share of its calls. `cleanUp` stops them. */
export async function openInstallation(cleanUp: AsyncDisposableStack, embeddingFailures: number): Promise<Installation> {
  const postgres = await startPostgres({ major: 18, fsync: true })
  cleanUp.defer(postgres.stop)
  const { kafka, topic } = await openBroker(cleanUp)
  const redis = await startRedis()
  cleanUp.defer(redis.stop)
  const embedder = await startEmbedder(embeddingFailures)
  cleanUp.defer(embedder.stop)
  // the server and all in it go with the run
  const { adminUrl, loginUrl } = await createScratch(postgres.url, new AsyncDisposableStack())
  const owner = openPostgres({ url: adminUrl, max: 1, onError: () => {} })
  await migrate(owner)
  await owner.close()
  const token = randomBytes(16).toString('hex')
  const environment = {
    STAGE: 'dev',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
    POSTGRES_URL: loginUrl,
    SIGNING_KEY: randomBytes(32).toString('hex'),
    SOMA_API_TOKEN: token,
    KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers,
    REDIS_URL: redis.url,
    // so high that it refuses nobody: what counts is that it is asked
    RATE_LIMIT_TENANT: '100000/s',
    EMBEDDER: 'http',
    EMBEDDING_URL: embedder.url,
    EMBEDDING_MODEL: 'bench',
    EMBEDDING_DIM: String(embedder.dimension),
  }
  return {
    postgres,
    kafka,
    redis,
    topic,
    token,
    environment,
    async audit<Row>(text: string, values: unknown[] = []) {
      const client = new pg.Client(adminUrl)
      client.on('error', () => {})
      await client.connect()
      try {
        return (await client.query(text, values)).rows as Row[]
      } finally {
        await client.end()
      }
    },
  }
}
