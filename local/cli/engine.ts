import { createBreakers } from '../../shared/breaker/index.ts'
import { type Config, milvusConnection } from '../../shared/config/index.ts'
import type { VectorEngine } from '../../shared/vector/index.ts'
import { type Check, check } from './checks.ts'

/** Runs `work` with the second vector engine of the configuration, undefined where there is none, and closes it. */
export async function withEngine<T>(config: Config, work: (engine: VectorEngine | undefined) => Promise<T>): Promise<T> {
  const connection = milvusConnection(config)
  if (!connection) return work(undefined)
  const { openMilvus } = await import('../../shared/milvus/index.ts')
  const breakers = createBreakers({ failures: config.BREAKER_FAILURES, openMs: config.BREAKER_OPEN_SECONDS * 1000 }, () => {})
  const engine = openMilvus(connection, breakers.of('vector_engine'))
  try {
    return await work(engine)
  } finally {
    await engine.close()
  }
}

/** Whether Milvus answers and takes the credentials; nothing where it is not used. */
export async function engineChecks(config: Config): Promise<Check[]> {
  if (config.VECTOR_ENGINE !== 'milvus') return []
  const ask = () =>
    withEngine(config, async (engine) => {
      await engine?.ask()
      return `Milvus at ${config.MILVUS_HOST}:${config.MILVUS_PORT} answers.`
    })
  return [await check('vector_engine', ask, 'Recalls of large scopes are answered by their words meanwhile, and new versions wait for their vector.')]
}
