import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Program } from './install.ts'
import type { Done, Work } from './protocol.ts'

const lastWords = 2_000
const endMs = 10_000

export type Adapter = { run(work: Work): Promise<Done> }

/** Starts an adapter and waits until it has made its tables. What it prints is nobody's; of its complaints the last are kept, should it fail. */
export async function startAdapter({ command, args, env }: Program, own: string[], folder: string, cleanUp: AsyncDisposableStack): Promise<Adapter> {
  const { PATH, HOME, TMPDIR } = process.env
  // the telemetry of a peer would measure the network; its language model is never asked
  const quiet = { MEM0_TELEMETRY: 'False', MEM0_DIR: folder, OPENAI_API_KEY: 'unused' }
  const child = spawn(command, [...args, ...own], { cwd: folder, env: { PATH, HOME, TMPDIR, ...quiet, ...env }, stdio: ['pipe', 'ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'exit').catch(() => {}) // it may not even start: the answer that never comes says so
  cleanUp.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
    child.stdin?.end()
    const timer = setTimeout(() => child.kill('SIGKILL'), endMs)
    await ended
    clearTimeout(timer)
  })
  let complaints = ''
  child.stderr?.on('data', (data) => {
    complaints = (complaints + data).slice(-lastWords)
  })
  child.stdin?.on('error', () => {}) // it has ended: the answer that never comes says so
  const answers = createInterface({ input: child.stdio[3] as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  const answer = async (): Promise<Done> => {
    const { value, done } = await answers.next()
    if (done) throw new Error(`it ended. ${complaints.trim()}`)
    const answered = JSON.parse(value) as Done
    if (answered.error) throw new Error(answered.error)
    return answered
  }
  child.once('error', (error) => {
    complaints = error.message
  })
  await answer()
  return {
    run(work) {
      child.stdin?.write(`${JSON.stringify(work)}\n`)
      return answer()
    },
  }
}
