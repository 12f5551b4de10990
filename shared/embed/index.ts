import { type Breakers, createBreakers } from '../breaker/index.ts'
import type { Config } from '../config/index.ts'
import { AppError } from '../problem/index.ts'
import { bedrockEmbedder } from './bedrock.ts'
import { hashEmbedder } from './hash.ts'
import { httpEmbedder } from './http.ts'
import type { Embedder } from './port.ts'
import { servedEmbedder } from './served.ts'
import { tracedEmbedder } from './traced.ts'
import { baseModel, withPreviousTurn } from './turn.ts'

export type { EmbedCall, Embedder } from './port.ts'
export { isRefusal, plainText } from './refusal.ts'
export { baseModel, previousTurn, type Said, type Turn, takesPreviousTurn, textOfTurn, withPreviousTurn } from './turn.ts'
export { vectorText } from './vectors.ts'
export { hashEmbedder }

/** Of a command's own, which has no others. */
const ownBreakers = (config: Config) => createBreakers({ failures: config.BREAKER_FAILURES, openMs: config.BREAKER_OPEN_SECONDS * 1000 }, () => {})

/** The embedder of the configuration. Without `breakers` it has one of its own, as a command needs it. */
export function createEmbedder(config: Config, breakers: Breakers = ownBreakers(config)): Embedder {
  return embedderFor(config, breakers, 'embedder')
}

function embedderFor(config: Config, breakers: Breakers, dependency: 'embedder' | 'embedder_next'): Embedder {
  const { EMBEDDING_DIM: dimension, EMBEDDING_TIMEOUT_MS: timeoutMs } = config
  if (config.EMBEDDER === 'hash') return tracedEmbedder(hashEmbedder(dimension), 'internal')
  const asked = config.EMBEDDING_MODEL as string
  const model = config.EMBEDDING_CONTEXT === 'none' ? asked : withPreviousTurn(asked)
  const most = config.EMBEDDING_MAX_CHARACTERS ?? Number.POSITIVE_INFINITY
  const breaker = breakers.of(dependency, { timeoutMs, retries: 2 })
  if (config.EMBEDDER === 'bedrock') {
    const { batch, characters } = bedrockEmbedder({ model: asked, dimension, region: config.AWS_REGION as string, endpoint: config.BEDROCK_ENDPOINT })
    return tracedEmbedder(servedEmbedder({ model, dimension }, batch, breaker, Math.min(most, characters)), 'client')
  }
  const batch = httpEmbedder({ url: config.EMBEDDING_URL as string, model: asked, dimension, apiKey: config.EMBEDDING_API_KEY })
  return tracedEmbedder(servedEmbedder({ model, dimension }, batch, breaker, most), 'client')
}

/** The embedder of the model that is being introduced, where EMBEDDER_NEXT names one. Its breaker is another: what fails there says nothing of the present model. */
export function createNextEmbedder(config: Config, breakers: Breakers = ownBreakers(config)): Embedder | undefined {
  if (config.EMBEDDER_NEXT === undefined) return undefined
  const next = {
    EMBEDDER: config.EMBEDDER_NEXT,
    EMBEDDING_URL: config.EMBEDDING_NEXT_URL,
    EMBEDDING_MODEL: config.EMBEDDING_NEXT_MODEL,
    EMBEDDING_DIM: config.EMBEDDING_NEXT_DIM as number,
    EMBEDDING_API_KEY: config.EMBEDDING_NEXT_API_KEY,
    EMBEDDING_MAX_CHARACTERS: config.EMBEDDING_NEXT_MAX_CHARACTERS,
    EMBEDDING_CONTEXT: config.EMBEDDING_NEXT_CONTEXT,
  }
  return embedderFor({ ...config, ...next }, breakers, 'embedder_next')
}

/** The embedders a process has: of EMBEDDER, and of EMBEDDER_NEXT. */
export type Embedders = { embedder: Embedder; next?: Embedder | undefined }

/** That of this model; where the process has none, one that cannot be used and says what is missing. A server's model is the same, whatever texts it is given. */
export function embedderOf({ embedder, next }: Embedders, model: { name: string; dimension: number }): Embedder {
  const own = [embedder, next].find((one) => one && isOf(one, model))
  if (own) return own
  const same = [embedder, next].find((one) => one && isOf({ ...one, model: baseModel(one.model) }, { ...model, name: baseModel(model.name) }))
  return same ? { ...same, model: model.name } : { model: model.name, dimension: model.dimension, embed: () => Promise.reject(missing(model)) }
}

export const isOf = (embedder: Embedder, model: { name: string; dimension: number }): boolean => embedder.model === model.name && embedder.dimension === model.dimension

function missing({ name, dimension }: { name: string; dimension: number }): AppError {
  return new AppError(
    'unavailable',
    `The embedding model ${name} with ${dimension} numbers is to be used, and this process has no embedder of it: set EMBEDDER or EMBEDDER_NEXT and what belongs to it.`,
    { retryAfterSeconds: 5 },
  )
}

/** How many tokens a text counts as, at four characters a token (UTF-16 code units, rounded up): no embedder says what it counted. */
export function tokensOf(text: string): number {
  return Math.ceil(text.length / 4)
}
