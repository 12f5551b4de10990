import * as z from 'zod'
import { AppError } from '../problem/index.ts'
import type { Embedder } from './port.ts'

const Answer = z.object({ data: z.array(z.object({ index: z.number().int(), embedding: z.array(z.number()) })) })
const batchSize = 64
const timeoutMs = 10_000

/** Any server with OpenAI's POST …/embeddings. @throws AppError unavailable when it fails, answers too late, or gives another dimension */
export function httpEmbedder(options: { url: string; model: string; dimension: number; apiKey?: string | undefined }): Embedder {
  const headers = { 'content-type': 'application/json', ...(options.apiKey ? { authorization: `Bearer ${options.apiKey}` } : {}) }
  async function batch(input: string[], signal?: AbortSignal): Promise<Float32Array[]> {
    const deadline = AbortSignal.timeout(timeoutMs)
    const response = await fetch(options.url, {
      method: 'POST',
      headers,
      body: JSON.stringify({ model: options.model, input, encoding_format: 'float' }),
      redirect: 'error',
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    })
    if (!response.ok) throw new Error(`the embedding server answered ${response.status}`)
    const vectors = Answer.parse(await response.json())
      .data.toSorted((a, b) => a.index - b.index)
      .map((row) => unit(row.embedding))
    if (vectors.length !== input.length || vectors.some((vector) => vector.length !== options.dimension)) {
      throw new Error(`the embedding server must answer ${input.length} vectors of ${options.dimension} numbers (EMBEDDING_DIM)`)
    }
    return vectors
  }
  return {
    model: options.model,
    dimension: options.dimension,
    async embed(texts, signal) {
      try {
        const vectors: Float32Array[] = []
        for (let i = 0; i < texts.length; i += batchSize) vectors.push(...(await batch(texts.slice(i, i + batchSize), signal)))
        return vectors
      } catch (cause) {
        throw new AppError('unavailable', 'The embedding server cannot be used.', { cause, retryAfterSeconds: 5 })
      }
    },
  }
}

function unit(numbers: number[]): Float32Array {
  const vector = Float32Array.from(numbers)
  const norm = Math.hypot(...vector)
  if (!Number.isFinite(norm) || norm === 0) throw new Error('the embedding server answered a vector without a direction')
  return vector.map((value) => value / norm)
}
