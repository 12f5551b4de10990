import * as z from 'zod'
import type { BedrockProblem, InvokeModel } from '../aws/index.ts'
import { DependencyFailure } from '../breaker/index.ts'
import { ConfigError } from '../config/index.ts'
import { AppError } from '../problem/index.ts'
import type { EmbedBatch, EmbedPurpose } from './port.ts'
import { checkedVectors } from './vectors.ts'

/** What a family of models takes and gives, as Bedrock's user guide documents it. `characters` of a text are what it takes at most. */
type Family = {
  is: RegExp
  dimensions: number[]
  characters: number
  embed(invoke: (body: unknown) => Promise<unknown>, texts: string[], dimension: number, purpose: EmbedPurpose): Promise<number[][]>
}
/** Titan takes one text a request. */
const atOnce = 8

const Titan = z.object({ embedding: z.array(z.number()) })
const CohereAnswer = z.object({ embeddings: z.union([z.array(z.array(z.number())), z.object({ float: z.array(z.array(z.number())) }).transform(({ float }) => float)]) })
const inputType: Record<EmbedPurpose, string> = { query: 'search_query', document: 'search_document' }

const families: Family[] = [
  {
    is: /amazon\.titan-embed-text-v2/,
    dimensions: [256, 512, 1024],
    characters: 50_000,
    async embed(invoke, texts, dimension) {
      const vectors: number[][] = []
      for (let from = 0; from < texts.length; from += atOnce) {
        const some = texts.slice(from, from + atOnce).map((inputText) => invoke({ inputText, dimensions: dimension, normalize: true }))
        vectors.push(...(await Promise.all(some)).map((answer) => read(Titan, answer).embedding))
      }
      return vectors
    },
  },
  {
    is: /cohere\.embed-(english|multilingual)-v3/,
    dimensions: [1024],
    characters: 2_048,
    embed: async (invoke, texts, _dimension, purpose) =>
      read(CohereAnswer, await invoke({ texts, input_type: inputType[purpose], embedding_types: ['float'], truncate: 'END' })).embeddings,
  },
  {
    is: /cohere\.embed-v4/,
    dimensions: [256, 512, 1024, 1536],
    characters: Number.POSITIVE_INFINITY,
    embed: async (invoke, texts, dimension, purpose) =>
      read(CohereAnswer, await invoke({ texts, input_type: inputType[purpose], embedding_types: ['float'], output_dimension: dimension, truncate: 'RIGHT' })).embeddings,
  },
]

/** Amazon Bedrock's embedding models. @throws ConfigError for a model that is not known here, or a dimension that it does not have */
export function bedrockEmbedder(options: { model: string; dimension: number; region: string; endpoint?: string | undefined }): { batch: EmbedBatch; characters: number } {
  const { model, dimension } = options
  const family = families.find(({ is }) => is.test(model))
  if (!family)
    throw new ConfigError(
      `EMBEDDING_MODEL got "${model}": with EMBEDDER=bedrock it takes the id of Titan Text Embeddings v2, of Cohere Embed v3 or v4, or an inference profile of one.`,
    )
  if (!family.dimensions.includes(dimension)) throw new ConfigError(`EMBEDDING_DIM got "${dimension}": ${model} takes ${family.dimensions.join(', ')}.`)
  let opened: Promise<InvokeModel> | undefined
  const batch: EmbedBatch = async (texts, signal, purpose) => {
    // loaded on first use: every command imports this file, and hardly any needs the SDK
    opened ??= import('../aws/index.ts').then(({ bedrock }) => bedrock(options, problemOf))
    const invoke = await opened
    const vectors = await family.embed((body) => invoke(model, body, signal), texts, dimension, purpose)
    if (vectors.length !== texts.length) throw new DependencyFailure(`Bedrock answered ${vectors.length} vectors for ${texts.length} texts`)
    return checkedVectors(vectors, dimension)
  }
  return { batch, characters: family.characters }
}

function read<Shape extends z.ZodType>(shape: Shape, answer: unknown): z.output<Shape> {
  const parsed = shape.safeParse(answer)
  if (!parsed.success) throw new DependencyFailure('Bedrock answered something else than embeddings: look at EMBEDDING_MODEL', { cause: parsed.error })
  return parsed.data
}

/** As with any server: a 4xx is about the request, or about rights, and anything else says that it fails. */
function problemOf({ name, status, retryAfterMs, cause }: BedrockProblem): unknown {
  if (name === 'AbortError') return cause
  if (name === 'CredentialsProviderError')
    return new DependencyFailure('no credentials for Bedrock were found: look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role of the task or function', {
      cause,
    })
  if (status === undefined) return new DependencyFailure(`Bedrock cannot be reached (${name}): look at AWS_REGION, and at the network`, { again: true, cause })
  if (status === 429 || status === 408 || status === 424 || status >= 500)
    return new DependencyFailure(`Bedrock answered ${status} (${name})`, { again: true, retryAfterMs, cause })
  const hint =
    status === 403 || status === 401 ? 'the credentials need bedrock:InvokeModel, and access to the model' : 'look at EMBEDDING_MODEL and AWS_REGION, or the text is too long'
  return new AppError('invalid', `Bedrock refused what it was sent (${name}, ${status}): ${hint}.`, { cause })
}
