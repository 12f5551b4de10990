import { traced } from '../trace/index.ts'
import type { Embedder } from './port.ts'
import { baseModel } from './turn.ts'

/** The same embedder, each call of it a span. */
export function tracedEmbedder(embedder: Embedder, kind: 'client' | 'internal'): Embedder {
  const model = baseModel(embedder.model)
  return {
    ...embedder,
    embed(texts, call) {
      const attributes = { 'gen_ai.operation.name': 'embeddings', 'gen_ai.request.model': model, 'soma.embedding.texts': texts.length }
      return traced(`embeddings ${model}`, { kind, attributes }, () => embedder.embed(texts, call))
    },
  }
}
