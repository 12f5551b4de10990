import { DependencyFailure } from '../breaker/index.ts'
import { plainText } from '../embed/index.ts'
import type { Dependable } from '../http/index.ts'
import { brokerTopic, missingTopics } from '../kafka/index.ts'
import { memoryEventsTopic } from '../outbox/index.ts'
import { backupDeps } from './deps.ts'
import type { Runtime } from './runtime.ts'

const embedderHints = {
  http: 'EMBEDDING_URL, EMBEDDING_MODEL, EMBEDDING_DIM and EMBEDDING_API_KEY',
  bedrock: 'EMBEDDING_MODEL, EMBEDDING_DIM, AWS_REGION, and the rights of the AWS credentials',
}

/** What this process is configured to call beside its database. */
export function dependablesOf(runtime: Runtime): Dependable[] {
  const { config, kafka, breakers, embedder, vectorEngine, tokens } = runtime
  const found: Dependable[] = []
  if (kafka) {
    const topic = brokerTopic(memoryEventsTopic, config.KAFKA_MEMORY_EVENTS_TOPIC)
    const ask = async () => {
      const [missing] = await missingTopics(kafka.client, [topic])
      if (missing !== undefined) throw new DependencyFailure(`The broker has no topic ${missing}: run \`npx soma topics ensure\`.`)
    }
    found.push({ dependency: 'broker', breaker: breakers.of('broker'), ask, hint: 'KAFKA_BOOTSTRAP_SERVERS and the variables of its credentials; `npx soma doctor` tells more' })
  }
  if (config.EMBEDDER !== 'hash') {
    const ask = () => embedder.embed([plainText])
    found.push({ dependency: 'embedder', breaker: breakers.of('embedder'), ask, hint: embedderHints[config.EMBEDDER] })
  }
  if (vectorEngine) {
    const hint = 'MILVUS_HOST, MILVUS_PORT, MILVUS_TOKEN and MILVUS_TLS; `npx soma doctor` tells more'
    found.push({ dependency: 'vector_engine', breaker: breakers.of('vector_engine'), ask: () => vectorEngine.engine.ask(), hint })
  }
  if (config.BACKUP_BUCKET !== undefined) {
    // a key that nobody writes: the answer is empty, and says that the bucket may be listed
    const ask = async () => (await backupDeps(runtime).store()).list('is-the-bucket-there')
    found.push({ dependency: 'blob_store', breaker: breakers.of('blob_store'), ask, hint: 'BACKUP_BUCKET, S3_ENDPOINT, AWS_REGION and the AWS credentials' })
  }
  if (tokens?.ask) found.push({ dependency: 'issuer', breaker: breakers.of('issuer'), ask: tokens.ask, hint: 'JWT_ISSUER and JWKS_URL' })
  return found
}

/** Says at start, in the log, what cannot be used: the process works without it, and finds it when it is there. */
export async function tellWhatIsAway(runtime: Runtime): Promise<void> {
  const look = ({ dependency, ask, hint }: Dependable) => ask().catch((error) => runtime.log.warn({ dependency, err: error }, `a dependency cannot be used yet: look at ${hint}`))
  await Promise.all(dependablesOf(runtime).map(look))
}
