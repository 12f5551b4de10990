import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json, text } from 'node:stream/consumers'

export type LambdaServices = {
  /** What a function's SDK takes to reach them instead of AWS. */
  environment: Record<string, string>
  /** Resolves when what was invoked without waiting has ended. @throws Error of the first that failed */
  quiet(): Promise<void>
  close(): void
}

/** The two AWS APIs that functions call: Invoke of other functions, by name, and GetSecretValue of secrets, by the last part of their ARN. */
export async function lambdaServices(invoke: (name: string, event: unknown) => Promise<unknown>, secrets: Record<string, string>): Promise<LambdaServices> {
  const underway = new Set<Promise<unknown>>()
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    if (request.headers['x-amz-target'] === 'secretsmanager.GetSecretValue') {
      const { SecretId } = (await json(request)) as { SecretId: string }
      const SecretString = secrets[SecretId.split('/').at(-1) ?? '']
      return SecretString === undefined ? answer(400, { __type: 'ResourceNotFoundException' }) : answer(200, { ARN: SecretId, SecretString })
    }
    const [, name] = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(request.url ?? '') ?? []
    if (!name) return answer(404, {})
    const work = invoke(name, JSON.parse((await text(request)) || 'null'))
    if (request.headers['x-amz-invocation-type'] !== 'Event') {
      return work.then(
        (result) => answer(200, result),
        (error: Error) => answer(200, { errorMessage: error.message }, { 'x-amz-function-error': 'Unhandled' }),
      )
    }
    underway.add(work)
    work.then(() => underway.delete(work)).catch(() => {}) // `quiet` tells
    answer(202, {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    environment: { AWS_ENDPOINT_URL_LAMBDA: url, AWS_ENDPOINT_URL_SECRETS_MANAGER: url },
    async quiet() {
      while (underway.size) await Promise.all(underway)
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
