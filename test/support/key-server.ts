import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type KeyServer = { url: string; asked(): string[]; serve(answers: Answers): void; close(): Promise<void> }
/** Path → what is answered: JSON, or a status with headers; undefined breaks the connection off. */
type Answers = (path: string) => { json: unknown } | { status: number; headers?: Record<string, string>; text?: string } | undefined

/** An issuer's web server on loopback that answers as it is told, and says what it was asked. */
export async function startKeyServer(answers: Answers): Promise<KeyServer> {
  let answer = answers
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    const said = answer(path)
    if (!said) request.destroy()
    else if ('json' in said) response.setHeader('content-type', 'application/json').end(JSON.stringify(said.json))
    else response.writeHead(said.status, said.headers).end(said.text ?? '')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked.splice(0),
    serve(next) {
      answer = next
    },
    close: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  }
}
