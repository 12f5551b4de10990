import { kafkaConnection } from '../../shared/config/index.ts'
import { type Database, openPostgres } from '../../shared/db/index.ts'
import type { Runtime } from '../../shared/host/index.ts'
import { brokerTopic, createClient, ensureTopics, type TopicReport } from '../../shared/kafka/index.ts'
import { topics } from '../topics.ts'

/** The logins of a database that nobody has prepared: `admin` may make the others. The URLs are theirs, with the passwords they are to have. */
export type NewDatabase = { openAdmin: () => Database; migrator: string | undefined; app: string | undefined; worker: string | undefined }
export type MigrateDeps = { owner: Database; newDatabase?: NewDatabase; makeTopics?: () => Promise<TopicReport[]> }

export function migrateDeps({ databases, config, log }: Runtime): MigrateDeps {
  const { POSTGRES_ADMIN_URL: url, POSTGRES_SSL_ROOT_CERT: sslRootCert, POSTGRES_MIGRATION_URL: migrator, POSTGRES_URL: app, POSTGRES_WORKER_URL: worker } = config
  const onError = (error: Error) => log.warn({ err: error }, "the admin's connection was lost")
  const broker = config.KAFKA_MAKE_TOPICS === '1' ? kafkaConnection(config) : undefined
  const wanted = topics.map((topic) => ({ ...topic, name: brokerTopic(topic.name, config.KAFKA_MEMORY_EVENTS_TOPIC) }))
  return {
    owner: databases.owner,
    ...(url ? { newDatabase: { openAdmin: () => openPostgres({ url, max: 1, onError, ...(sslRootCert ? { sslRootCert } : {}) }), migrator, app, worker } } : {}),
    ...(broker ? { makeTopics: () => ensureTopics(createClient(broker), wanted, { dryRun: false }) } : {}),
  }
}
