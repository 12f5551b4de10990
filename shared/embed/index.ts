import type { Config } from '../config/index.ts'
import { hashEmbedder } from './hash.ts'
import { httpEmbedder } from './http.ts'
import type { Embedder } from './port.ts'

export type { Embedder } from './port.ts'
export { hashEmbedder, httpEmbedder }

export function createEmbedder(config: Config): Embedder {
  if (config.EMBEDDER === 'hash') return hashEmbedder(config.EMBEDDING_DIM)
  return httpEmbedder({ url: config.EMBEDDING_URL as string, model: config.EMBEDDING_MODEL as string, dimension: config.EMBEDDING_DIM, apiKey: config.EMBEDDING_API_KEY })
}

/** pgvector's text form of a vector. */
export function vectorText(vector: Float32Array): string {
  return `[${vector.join(',')}]`
}
