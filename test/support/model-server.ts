import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { parseConfig } from '../../shared/config/index.ts'
import { createEmbedder } from '../../shared/embed/index.ts'

/**
 * A server with OpenAI's embeddings path on loopback: the vector of a text is that of its words' hashes, so that equal words are near, and another one than
 * any other model's. `before` is awaited by every request and may refuse it with a status.
 */
export async function startModelServer(dimension: number) {
  const server = { asked: [] as string[][], before: async (_texts: string[]): Promise<number> => 200 }
  const http = createServer(async (request, response) => {
    const { input } = (await json(request)) as { input: string[] }
    server.asked.push(input)
    const status = await server.before(input)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(status === 200 ? { data: input.map((text, index) => ({ index, embedding: vectorOf(text, dimension) })) } : { error: 'no' }))
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/v1/embeddings`
  return Object.assign(server, {
    url,
    /** One that embeds a memory alone, unless told otherwise. */
    embedder: (model: string, context: 'none' | 'previous-turn' = 'none') =>
      createEmbedder(parseConfig({ EMBEDDER: 'http', EMBEDDING_URL: url, EMBEDDING_MODEL: model, EMBEDDING_DIM: String(dimension), EMBEDDING_CONTEXT: context })),
    async close() {
      http.closeAllConnections()
      http.close()
      await once(http, 'close')
    },
  })
}
export type ModelServer = Awaited<ReturnType<typeof startModelServer>>

/** What the server answers, as the unit vectors that are made of it. */
export function answersOf(texts: string[], dimension: number): Float32Array[] {
  return texts.map((text) => {
    const vector = vectorOf(text, dimension)
    const norm = Math.hypot(...vector)
    return Float32Array.from(vector, (value) => value / norm)
  })
}

function vectorOf(text: string, dimension: number): number[] {
  const vector = new Float64Array(dimension)
  for (const word of text.toLowerCase().split(/\W+/).filter(Boolean)) {
    const hash = createHash('sha256').update(word).digest()
    for (let i = 0; i < 4; i++) {
      const slot = hash.readUInt16BE(i * 2) % dimension
      vector[slot] = (vector[slot] as number) + ((hash[8 + i] as number) & 1 ? 1 : -1)
    }
  }
  // a text without words, or whose words cancel each other out, still has a direction
  if (vector.every((value) => value === 0)) vector[0] = 1
  return [...vector]
}
