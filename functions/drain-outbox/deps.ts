import { type Consumer, inProcessBus, invokingPublisher, type Publisher, type Subscriber } from '../../shared/bus/index.ts'
import type { RecordHandler } from '../../shared/handler/index.ts'
import { observeRecords, type Runtime } from '../../shared/host/index.ts'
import { type DrainDeps, memoryEventsTopic } from '../../shared/outbox/index.ts'
import { projectEvents } from '../../shared/projection/index.ts'
import { indexVectors } from '../../shared/vector/index.ts'

export function drainOutboxDeps(runtime: Runtime): DrainDeps {
  return {
    worker: runtime.databases.worker,
    generation: runtime.generation,
    publisher: runtime.publisher ?? publisherOf(runtime),
    onFailure: (seq, error) => runtime.log.warn({ seq, error }, 'an event was not published'),
  }
}

/** The deployed consumers where they are named (FUNCTION_INDEX_VECTORS, FUNCTION_PROJECT_EVENTS); otherwise their effects are applied right here. */
function publisherOf(runtime: Runtime): Publisher {
  const { functionNames } = runtime.config
  const consumers = ['index-vectors', 'project-events'].flatMap((name): Consumer[] =>
    functionNames[name] ? [{ name, topic: memoryEventsTopic, functionName: functionNames[name], batchSize: 100 }] : [],
  )
  if (consumers.length === 2) return invokingPublisher(runtime.invoke, consumers)
  const { databases, embedder, nextEmbedder: next, vectorEngine, generation, log } = runtime
  const deps = { worker: databases.worker, embedder, next, engine: vectorEngine?.engine, generation }
  const subscriber = (name: string, batchSize: number, handler: RecordHandler): Subscriber => {
    const topic = memoryEventsTopic
    return { name, topic, batchSize, handler: observeRecords({ name, topic, handler, transport: 'in-process', log }) }
  }
  const subscribers = [subscriber('project-events', 500, (records) => projectEvents(deps, records)), subscriber('index-vectors', 100, (records) => indexVectors(deps, records))]
  return inProcessBus(() => subscribers)
}
