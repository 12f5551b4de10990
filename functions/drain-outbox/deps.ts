import { type Consumer, inProcessBus, invokingPublisher, type Publisher } from '../../shared/bus/index.ts'
import type { Runtime } from '../../shared/host/index.ts'
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
  const deps = { worker: runtime.databases.worker, embedder: runtime.embedder, next: runtime.nextEmbedder, engine: runtime.vectorEngine?.engine, generation: runtime.generation }
  return inProcessBus(() => [
    { name: 'project-events', topic: memoryEventsTopic, batchSize: 500, handler: (records) => projectEvents(deps, records) },
    { name: 'index-vectors', topic: memoryEventsTopic, batchSize: 100, handler: (records) => indexVectors(deps, records) },
  ])
}
