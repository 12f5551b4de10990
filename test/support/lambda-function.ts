import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export type FunctionSpec = { name: string; bundle: string; timeoutSeconds: number; environment: Record<string, string> }
export type LambdaFunction = {
  /** Answers what the handler answers. @throws Error when the function failed, timed out or ended */
  invoke(event: unknown): Promise<unknown>
  /** What it has written so far. */
  said(): string
  stop(): Promise<void>
}
type Invocation = { id: string; event: string; resolve(answer: unknown): void; reject(error: Error): void; timer?: NodeJS.Timeout }

/**
 * One sandbox of a function: AWS's own runtime client runs the bundle, against a Runtime API of ours. Started by its first invocation; one invocation at a time;
 * what overstays its time limit is killed, and the next invocation starts anew.
 */
export async function lambdaFunction(runtime: string, { name, bundle, timeoutSeconds, environment }: FunctionSpec): Promise<LambdaFunction> {
  const queue: Invocation[] = []
  const output: string[] = []
  let child: ChildProcess | undefined
  let current: Invocation | undefined
  let waiting: ServerResponse | undefined

  function end(answer: unknown, error?: Error): void {
    clearTimeout(current?.timer)
    if (error) current?.reject(error)
    else current?.resolve(answer)
    current = undefined
  }
  function next(): void {
    if (current || !waiting) return
    current = queue.shift()
    if (!current) return
    const { id, event } = current
    current.timer = setTimeout(() => child?.kill('SIGKILL'), timeoutSeconds * 1000)
    const deadline = String(Date.now() + timeoutSeconds * 1000)
    const headers = {
      'lambda-runtime-aws-request-id': id,
      'lambda-runtime-deadline-ms': deadline,
      'lambda-runtime-invoked-function-arn': `arn:aws:lambda:eu-west-1:123456789012:function:${name}`,
    }
    waiting.writeHead(200, { 'content-type': 'application/json', ...headers }).end(event)
    waiting = undefined
  }

  const api = createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, async (request, response) => {
    const [, , , ...path] = (request.url ?? '').split('/')
    if (path.join('/') === 'invocation/next') {
      waiting = response
      return next()
    }
    const body = await text(request)
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}')
    if (path[0] === 'init') current ??= queue.shift()
    if (path.at(-1) === 'response') end(body === '' ? null : JSON.parse(body))
    else end(undefined, new Error(`${name} failed: ${body}`))
  }).listen(0, '127.0.0.1')
  await once(api, 'listening')
  const { port } = api.address() as AddressInfo

  function start(): ChildProcess {
    const own = { AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`, AWS_LAMBDA_FUNCTION_NAME: name, AWS_LAMBDA_FUNCTION_VERSION: '$LATEST', AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024' }
    const more = { AWS_LAMBDA_LOG_GROUP_NAME: `/soma/dev/${name}`, AWS_LAMBDA_LOG_STREAM_NAME: 'test', LAMBDA_TASK_ROOT: bundle, _HANDLER: 'index.handler', TZ: ':UTC' }
    // in Lambda too, only /tmp may be written to and nothing of this machine is known
    const started = spawn(process.execPath, [runtime, 'index.handler'], { cwd: bundle, env: { PATH: '/usr/bin:/bin', ...own, ...more, ...environment }, stdio: 'pipe' })
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (bytes) => output.push(String(bytes)))
    started.once('exit', (code, signal) => {
      if (child !== started) return
      child = undefined
      waiting = undefined
      current ??= queue.shift()
      end(undefined, new Error(`${name} ended with ${signal ?? code}. It said:\n${output.join('').slice(-4000)}`))
      if (queue.length) child = start()
    })
    return started
  }

  return {
    invoke(event) {
      return new Promise((resolve, reject) => {
        queue.push({ id: randomUUID(), event: JSON.stringify(event), resolve, reject })
        child ??= start()
        next()
      })
    },
    said: () => output.join(''),
    async stop() {
      const last = child
      child = undefined
      last?.kill('SIGKILL')
      if (last && last.exitCode === null && last.signalCode === null) await once(last, 'exit')
      api.closeAllConnections()
      api.close()
    },
  }
}
