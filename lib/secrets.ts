import type { ManifestRow } from '../functions/manifest.ts'
import type { Settings } from './settings.ts'

/**
 * The secrets a row really needs in a stage: a broker's password only where the broker asks for one, Redis' URL only where there is a Redis, the token
 * of Milvus only where it takes one, the key of the next embedding model only while one is introduced. One that is named and not there keeps a function from starting.
 */
export function secretsOf(row: ManifestRow, { kafka, redis, milvus, nextEmbedderKey }: Pick<Settings, 'kafka' | 'redis' | 'milvus' | 'nextEmbedderKey'>): readonly string[] {
  const there: Record<string, boolean> = {
    KAFKA_SASL_PASSWORD: kafka?.auth.mechanism === 'scram',
    REDIS_URL: redis,
    MILVUS_TOKEN: milvus?.token ?? false,
    EMBEDDING_NEXT_API_KEY: nextEmbedderKey,
  }
  return row.secrets.filter((name) => there[name] ?? true)
}
