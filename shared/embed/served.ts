import type { Breaker } from '../breaker/index.ts'
import type { EmbedBatch, Embedder } from './port.ts'

/** One request has at most so many texts, and so many characters unless a single text has more. */
const batchTexts = 64
const batchCharacters = 256 * 1024

/** An embedder behind a server: texts in batches, each by the way to a dependency that may be away. A text with more characters than `most` is embedded by its beginning. */
export function servedEmbedder(model: Pick<Embedder, 'model' | 'dimension'>, embedBatch: EmbedBatch, breaker: Breaker, most = Number.POSITIVE_INFINITY): Embedder {
  return {
    ...model,
    ...(Number.isFinite(most) ? { characters: most } : {}),
    async embed(texts, { purpose = 'document', ...call } = {}) {
      const vectors: Float32Array[] = []
      for (const batch of batchesOf(texts.map((text) => cutTo(text, most)))) vectors.push(...(await breaker.run((signal) => embedBatch(batch, signal, purpose), call)))
      return vectors
    },
  }
}

function batchesOf(texts: string[]): string[][] {
  const batches: string[][] = []
  let characters = 0
  for (const text of texts) {
    const last = batches.at(-1)
    if (last && last.length < batchTexts && characters + text.length <= batchCharacters) {
      last.push(text)
      characters += text.length
    } else {
      batches.push([text])
      characters = text.length
    }
  }
  return batches
}

/** A surrogate pair is not cut in two. */
function cutTo(text: string, characters: number): string {
  return text.length <= characters
    ? text
    : text
        .slice(0, characters)
        .toWellFormed()
        .replace(/\uFFFD$/, '')
}
