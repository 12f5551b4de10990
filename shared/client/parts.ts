import type { OperationPart } from '../operation/index.ts'
import { ClientError, notReached, problemOf } from './error.ts'
import type { Fetch } from './index.ts'

/** How the API itself is asked: where it is, and with which headers. */
type Api = { url: string; headers: Record<string, string>; answer: Fetch }
const timeoutMs = 600_000
const ndjson = { 'content-type': 'application/x-ndjson' }

/**
 * Fetches or sends the bytes of a part. A signed URL goes to the store directly, and no credential with it; where nothing answers there, as with a store that only the
 * servers reach, the API hands them over. @throws ClientError
 */
export function partsOver({ url, headers, answer }: Api) {
  async function exchange(kind: 'exports' | 'imports', operation: string, part: OperationPart, body?: Uint8Array): Promise<Uint8Array> {
    const content = body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }
    const more = { method: part.method, redirect: 'error', ...content } as const
    const signed = part.url !== null && !part.url.startsWith('/') ? part.url : undefined
    if (signed !== undefined) {
      // nothing is said of its type: the signature does not cover it
      const direct = await bytesOf(() => fetch(new Request(signed, { ...more, signal: AbortSignal.timeout(timeoutMs) })), new URL(signed).origin)
      if (!(direct instanceof ClientError)) return direct
      if (direct.code !== 'unavailable' || direct.status !== undefined) throw direct
    }
    const path = part.url?.startsWith('/') ? part.url : `/v1/${kind}/${operation}/parts/${part.part}`
    const way = await bytesOf(
      () => answer(new Request(`${url}${path}`, { ...more, headers: { ...headers, ...(body === undefined ? {} : ndjson) }, signal: AbortSignal.timeout(timeoutMs) })),
      url,
    )
    if (way instanceof ClientError) throw way
    return way
  }

  return {
    getPart: (operation: string, part: OperationPart) => exchange('exports', operation, part),
    putPart: async (operation: string, part: OperationPart, bytes: Uint8Array) => {
      await exchange('imports', operation, part, bytes)
    },
  }
}

async function bytesOf(ask: () => Promise<Response>, url: string): Promise<Uint8Array | ClientError> {
  try {
    const response = await ask()
    if (!response.ok) return problemOf(response, await response.text())
    return new Uint8Array(await response.arrayBuffer())
  } catch (error) {
    const told = notReached(url, error)
    if (told instanceof ClientError) return told
    throw told
  }
}
