import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime'

/** What the SDK throws, as far as it says whose fault it is. `status` is absent when nobody answered. */
export type BedrockProblem = { name: string; status: number | undefined; retryAfterMs: number | undefined; cause: unknown }
export type InvokeModel = (modelId: string, body: unknown, signal: AbortSignal) => Promise<unknown>

type Told = { name?: string; code?: string; $metadata?: { httpStatusCode?: number }; $response?: { headers?: Record<string, string> } }

/** Bedrock's InvokeModel, JSON in and out, with the credentials that the SDK finds. It tries once: who calls has tries of its own. The SDK is loaded by the first call. */
export function bedrock(options: { region: string; endpoint?: string | undefined }, problemOf: (problem: BedrockProblem) => unknown): InvokeModel {
  let opened: Promise<{ client: BedrockRuntimeClient; library: typeof import('@aws-sdk/client-bedrock-runtime') }> | undefined
  async function open() {
    const library = await import('@aws-sdk/client-bedrock-runtime')
    return { library, client: new library.BedrockRuntimeClient({ region: options.region, maxAttempts: 1, ...(options.endpoint ? { endpoint: options.endpoint } : {}) }) }
  }
  return async (modelId, body, signal) => {
    opened ??= open()
    const { client, library } = await opened
    const command = new library.InvokeModelCommand({ modelId, contentType: 'application/json', accept: 'application/json', body: JSON.stringify(body) })
    const answer = await client.send(command, { abortSignal: signal }).catch((cause: Told) => {
      const { name = '', code = '', $metadata, $response } = cause
      const after = Number($response?.headers?.['retry-after'])
      throw problemOf({ name: code || name, status: $metadata?.httpStatusCode, retryAfterMs: Number.isFinite(after) ? after * 1000 : undefined, cause })
    })
    return parsed(answer.body.transformToString())
  }
}

/** What is no JSON is undefined, as what has another form is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
