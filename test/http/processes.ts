import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'

export type Ended = { code: number | null; stdout: string; stderr: string }

/** A process of the product on the Node of node_modules, with nothing of this process's configuration. */
export function startProcess(args: string[], env: Record<string, string>): ChildProcess {
  const { PATH = '', HOME = '' } = process.env
  return spawn('node_modules/.bin/node', args, { env: { PATH, HOME, ...env }, stdio: 'pipe' })
}

/** Runs a process to its end. */
export async function runProcess(args: string[], env: Record<string, string>): Promise<Ended> {
  const child = startProcess(args, env)
  const [stdout, stderr] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), text(child.stderr as NodeJS.ReadableStream)])
  return { code: await exitOf(child), stdout, stderr }
}

export async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

/** The first line of either output that matches. @throws Error when the process ends before it says so */
export async function untilLine(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  const said: string[] = []
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream as NodeJS.ReadableStream }).on('line', (line) => {
        said.push(line)
        const match = pattern.exec(line)
        if (match) resolve(match)
      })
    }
    child.once('exit', (code) => reject(new Error(`the process ended with ${code} and said:\n${said.join('\n')}`)))
  })
}

export async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return String(port)
}
