import type { Breakers } from '../breaker/index.ts'
import { type Config, milvusConnection } from '../config/index.ts'
import { openMilvus } from '../milvus/index.ts'
import type { Engine } from '../vector/index.ts'

/** The second vector engine, where VECTOR_ENGINE names one. It connects on first use; whoever ends the process closes it. @throws ConfigError */
export function vectorEngineOf(config: Config, breakers: Breakers): Engine | undefined {
  const connection = milvusConnection(config)
  return connection && { engine: openMilvus(connection, breakers.of('vector_engine')), from: config.MILVUS_FROM_MEMORIES }
}
