/** Every path of the API on one port, each request handed on to the task of its handler: `http://<handler>:9595`, or where FUNCTION_<HANDLER> says. For local/compose.yaml. */
import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http'
import { readConfig } from '../shared/config/index.ts'
import { serverOptions } from '../shared/host/index.ts'
import { ownerOf } from './dispatch.ts'

const { HOST, PORT, functionNames } = readConfig()
const owner = ownerOf()

function handOn(request: IncomingMessage, response: ServerResponse): void {
  const { method = 'GET', url = '/', headers } = request
  const name = owner(method, url.split('?')[0] ?? '/')
  const onward = send(new URL(functionNames[name] ?? `http://${name}:9595`), { method, path: url, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
    // an answer that breaks off breaks off here too, so that nobody takes half of it for the whole
    answer.once('error', () => response.destroy())
  })
  onward.once('error', () => {
    if (response.headersSent) return response.destroy()
    const problem = { type: 'about:blank', title: 'Unavailable', status: 503, code: 'unavailable', detail: `The handler ${name} cannot be reached.` }
    response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '1', connection: 'close' }).end(JSON.stringify(problem))
  })
  response.once('close', () => {
    if (!response.writableFinished) onward.destroy()
  })
  request.pipe(onward)
}

// a body may be streamed for as long as it takes
const server = createServer(serverOptions, handOn).listen(PORT, HOST, () => console.error(`listening on ${HOST}:${PORT}`))
const end = () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end)
