import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { hashEmbedder } from '../../shared/embed/index.ts'

export type Asked = { model: string; input: string[]; authorization: string | undefined }
/** How the server answers from now on; a number is a status. */
export type Manner = 'well' | 'hangs' | 'breaks off' | ((asked: Asked, times: number) => { status: number; headers?: Record<string, string>; body: string } | 'well' | 'hangs')
export type EmbeddingServer = {
  url: string
  asked: Asked[]
  answer(manner: Manner): void
  /** Stops listening, as a server that is down; `up` listens at the same port again. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

const dimension = 384
/** What a server answers that does its work: the vectors of the built-in embedder. */
export async function wellAnswered(input: string[]): Promise<{ data: { index: number; embedding: number[] }[] }> {
  const vectors = await hashEmbedder(dimension).embed(input)
  return { data: vectors.map((vector, index) => ({ index, embedding: [...vector] })) }
}

/** A server with OpenAI's embeddings API, in a socket of its own, that fails as it is told to. */
export async function startEmbeddingServer(): Promise<EmbeddingServer> {
  const asked: Asked[] = []
  let manner: Manner = 'well'
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await json(request)) as { model: string; input: string[] }
    const one = { ...body, authorization: request.headers.authorization }
    asked.push(one)
    const now = typeof manner === 'function' ? manner(one, asked.length) : manner
    if (now === 'hangs') return
    if (now === 'breaks off') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
      response.write('{"data":[', () => response.destroy())
    } else if (now === 'well') response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(await wellAnswered(body.input)))
    else response.writeHead(now.status, now.headers).end(now.body)
  }
  const server = createServer((request, response) => void serve(request, response))
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1/embeddings`,
    asked,
    answer(next) {
      manner = next
    },
    down: stop,
    up: () => listen(port),
    close: () => (server.listening ? stop() : Promise.resolve()),
  }
}
