import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

const dimension = 16

export type EmbeddingServer = { url: string; dimension: number; stop(): Promise<void> }

/** A server with OpenAI's embeddings endpoint on 127.0.0.1: a text's vector is taken from its hash. `failing` of its calls, 0 to 1, are answered 503 or cut off. */
export async function startEmbedder(failing: number): Promise<EmbeddingServer> {
  const server = createServer(async (request, response) => {
    const { input } = (await json(request)) as { input: string[] }
    const luck = Math.random()
    if (luck < failing / 2) return void response.destroy()
    if (luck < failing) return void response.writeHead(503).end()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ data: input.map((text, index) => ({ index, embedding: vectorOf(text) })) }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1/embeddings`,
    dimension,
    async stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

const vectorOf = (text: string) => [...createHash('md5').update(text).digest()].map((byte) => byte - 127.5)
