import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../local/services/command.ts'

const root = join(import.meta.dirname, '../..')
const startMs = 60_000

export type Supervised = {
  name: string
  /** Where it listens; a job does not. */
  url: string | undefined
  /** kill -9; it is started again at once. False when it was not at work: a server that does not serve yet has nothing to lose. */
  crash(): Promise<boolean>
  /** What it said last, for each time it ended though it served and nobody had killed it. */
  unexpected: string[]
  /** What it says last, and when the process began. */
  lastWords(): string
  /** SIGTERM, and no new start. */
  end(): Promise<void>
}

/** Runs the entry of a handler as a container would, and starts it again whenever it ends. `pauseMs`: it is a job, and this long lies between two runs of it. */
export async function supervise(name: string, environment: Record<string, string>, pauseMs?: number): Promise<Supervised> {
  const port = pauseMs === undefined ? await freePort() : undefined
  const { PATH = '', HOME = '', TMPDIR } = process.env
  const env = { PATH, HOME, ...(TMPDIR ? { TMPDIR } : {}), ...environment, ...(port ? { PORT: String(port) } : {}) }
  const unexpected: string[] = []
  let child: ChildProcess | undefined
  let words: { since: Date; said: string[] } = { since: new Date(), said: [] }
  let ending = false
  let killed = false
  let served = false

  async function live(): Promise<void> {
    while (!ending) {
      killed = false
      const said: string[] = []
      words = { since: new Date(), said }
      served = false
      const started = spawn(process.execPath, [`functions/${name}/task.ts`], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
      child = started
      for (const stream of [started.stdout, started.stderr]) {
        stream.on('data', (chunk) => {
          served ||= String(chunk).includes('"listening"')
          said.push(String(chunk))
          if (said.length > 20) said.shift()
        })
      }
      const [code] = await once(started, 'exit')
      child = undefined
      if (ending || killed) continue
      // a job ends by itself; a start that fails because the database is away is tried again, as an orchestrator does
      if (served) unexpected.push(`${name} ended with ${code}: ${said.join('').slice(-2_000)}`)
      await sleep(pauseMs ?? 500)
    }
  }
  const living = live()

  return {
    name,
    url: port === undefined ? undefined : `http://127.0.0.1:${port}`,
    unexpected,
    lastWords: () => `since ${words.since.toISOString()}: ${words.said.join('').slice(-2_000)}`,
    async crash() {
      const running = child
      if (!running || running.exitCode !== null || running.signalCode !== null || (port !== undefined && !served)) return false
      killed = true
      running.kill('SIGKILL')
      await once(running, 'exit')
      return true
    },
    async end() {
      ending = true
      child?.kill('SIGTERM')
      const timer = setTimeout(() => child?.kill('SIGKILL'), 15_000)
      await living
      clearTimeout(timer)
    },
  }
}

export async function untilReady({ name, url }: Supervised): Promise<void> {
  for (const deadline = Date.now() + startMs; Date.now() < deadline; await sleep(100)) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined)
    if (answer?.ok) return
  }
  throw new Error(`${name} was not ready within ${startMs / 1000} s.`)
}
