import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json, text } from 'node:stream/consumers'

export type Schedule = { GroupName: string; ScheduleExpression: string; Target: { Arn: string; Input: string } }
export type LambdaServices = {
  /** What a function's SDK takes to reach them instead of AWS. */
  environment: Record<string, string>
  /** What was scheduled, by its name: EventBridge Scheduler's CreateSchedule. Nothing is ever due. */
  schedules: Map<string, Schedule>
  /** Resolves when what was invoked without waiting has ended. @throws Error of the first that failed */
  quiet(): Promise<void>
  close(): void
}

/** The AWS APIs that functions call: Invoke of other functions, by name, CreateSchedule, and GetSecretValue of secrets, by the last part of their ARN. */
export async function lambdaServices(invoke: (name: string, event: unknown) => Promise<unknown>, secrets: Record<string, string>): Promise<LambdaServices> {
  const underway = new Set<Promise<unknown>>()
  const schedules = new Map<string, Schedule>()
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    if (request.headers['x-amz-target'] === 'secretsmanager.GetSecretValue') {
      const { SecretId } = (await json(request)) as { SecretId: string }
      const SecretString = secrets[SecretId.split('/').at(-1) ?? '']
      return SecretString === undefined ? answer(400, { __type: 'ResourceNotFoundException' }) : answer(200, { ARN: SecretId, SecretString })
    }
    const [, schedule] = /^\/schedules\/([\w-]+)$/.exec(request.url ?? '') ?? []
    if (schedule && schedules.has(schedule)) return answer(409, { Message: 'it is there' }, { 'x-amzn-errortype': 'ConflictException' })
    if (schedule) {
      schedules.set(schedule, (await json(request)) as Schedule)
      return answer(200, { ScheduleArn: `arn:aws:scheduler:eu-west-1:123456789012:schedule/${schedule}` })
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
    environment: { AWS_ENDPOINT_URL_LAMBDA: url, AWS_ENDPOINT_URL_SECRETS_MANAGER: url, AWS_ENDPOINT_URL_SCHEDULER: url },
    schedules,
    async quiet() {
      while (underway.size) await Promise.all(underway)
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
