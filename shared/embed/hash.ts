import { englishTerms } from '../text/index.ts'
import type { Embedder } from './port.ts'

/**
 * Feature hashing of stemmed words and their character trigrams with signed buckets (Weinberger et al. 2009, "Feature Hashing for Large
 * Scale Multitask Learning"): deterministic, no model, no network. It sees shared word parts, not meaning: recall gives it a small weight.
 */
export function hashEmbedder(dimension: number): Embedder {
  return { model: 'hash-trigram-1', dimension, embed: async (texts) => texts.map((text) => embedText(text, dimension)) }
}

function embedText(text: string, dimension: number): Float32Array {
  const vector = new Float32Array(dimension)
  const counts = new Map<string, number>()
  for (const term of englishTerms(text)) counts.set(term, (counts.get(term) ?? 0) + 1)
  for (const [term, count] of counts) {
    const weight = 1 + Math.log(count)
    add(vector, term, weight)
    const padded = `^${term}$`
    const share = (0.5 * weight) / Math.sqrt(Math.max(1, padded.length - 2))
    for (let i = 0; i + 3 <= padded.length; i++) add(vector, padded.slice(i, i + 3), share)
  }
  const norm = Math.hypot(...vector)
  // a text without words still needs a direction: cosine of a zero vector is not a number
  if (norm === 0) vector[0] = 1
  else for (let i = 0; i < dimension; i++) vector[i] = (vector[i] as number) / norm
  return vector
}

function add(vector: Float32Array, feature: string, weight: number): void {
  const hash = hashOf(feature)
  const slot = (hash >>> 1) % vector.length
  vector[slot] = (vector[slot] as number) + (hash & 1 ? weight : -weight)
}

/** FNV-1a over UTF-16 units, then MurmurHash3's 32-bit finalizer, without which the low bits of short features are poor. */
function hashOf(feature: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < feature.length; i++) hash = Math.imul(hash ^ feature.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
