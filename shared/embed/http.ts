import * as z from 'zod'
import { answerText, DependencyFailure } from '../breaker/index.ts'
import { AppError } from '../problem/index.ts'
import type { EmbedBatch } from './port.ts'
import { checkedVectors, withoutDirection } from './vectors.ts'

/** JSON has no NaN: some servers write null for it, others the word, which nobody can read. */
const Numbers = z.array(
  z
    .number()
    .nullable()
    .transform((value) => value ?? Number.NaN),
)
const Answer = z.object({ data: z.array(z.object({ index: z.number().int(), embedding: Numbers })) })
/** 64 vectors of 4,000 numbers, as long as JSON writes them, fit four times. */
const mostBytes = 32 * 1024 * 1024
const soonAgain = new Set([408, 425, 429, 500, 502, 503, 504, 529])
const lookAt: Record<number, string> = { 401: 'look at EMBEDDING_API_KEY', 403: 'look at EMBEDDING_API_KEY', 404: 'look at EMBEDDING_URL and EMBEDDING_MODEL' }

/** Any server with OpenAI's POST …/embeddings. */
export function httpEmbedder(options: { url: string; model: string; dimension: number; apiKey?: string | undefined }): EmbedBatch {
  const headers = { 'content-type': 'application/json', ...(options.apiKey ? { authorization: `Bearer ${options.apiKey}` } : {}) }
  return async (input, signal) => {
    const body = JSON.stringify({ model: options.model, input, encoding_format: 'float' })
    const response = await fetch(options.url, { method: 'POST', headers, body, redirect: 'error', signal }).catch((cause) => {
      throw unreachable(cause, signal)
    })
    if (!response.ok) {
      await response.body?.cancel().catch(() => {})
      throw refusal(response)
    }
    const text = await answerText(response, mostBytes, 'the embedding server answered more than 32 MiB: look at EMBEDDING_URL').catch((cause) => {
      throw cause instanceof DependencyFailure ? cause : unreachable(cause, signal)
    })
    const rows = rowsOf(text).toSorted((a, b) => a.index - b.index)
    if (rows.length !== input.length || rows.some((row, place) => row.index !== place))
      throw new DependencyFailure(
        `the embedding server answered ${rows.length} vectors for ${input.length} texts, or not in their order: look at EMBEDDING_URL and EMBEDDING_MODEL`,
      )
    return checkedVectors(
      rows.map((row) => row.embedding),
      options.dimension,
    )
  }
}

function unreachable(cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  const inner = (cause as Error).cause as { code?: string; message?: string } | undefined
  return new DependencyFailure(`the embedding server cannot be reached, or broke off (${inner?.code ?? inner?.message ?? (cause as Error).message}): look at EMBEDDING_URL`, {
    again: true,
    cause,
  })
}

/** What a server says by its status: that it fails, or that it does not take this request. */
function refusal(response: Response): Error {
  const { status } = response
  if (status < 400 || status >= 500 || soonAgain.has(status))
    return new DependencyFailure(`the embedding server answered ${status}`, { again: soonAgain.has(status), retryAfterMs: retryAfterMs(response.headers.get('retry-after')) })
  const hint = lookAt[status] ?? 'it may be too long (EMBEDDING_MAX_CHARACTERS), or the model another one than EMBEDDING_MODEL says'
  return new AppError('invalid', `The embedding server refused what it was sent (${status}): ${hint}.`)
}

/** Seconds, or a date; what is neither says nothing. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined
  const ms = /^\d+(\.\d+)?$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

function rowsOf(text: string): z.output<typeof Answer>['data'] {
  try {
    return Answer.parse(JSON.parse(text)).data
  } catch (cause) {
    if (/[[,]\s*-?(NaN|Infinity)\b/.test(text)) throw withoutDirection()
    throw new DependencyFailure("the embedding server answered something else than OpenAI's list of embeddings: look at EMBEDDING_URL", { cause })
  }
}
