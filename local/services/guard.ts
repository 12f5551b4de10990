import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** Has a guard end its server and remove what it has written; it does so when its standard input is closed. */
export async function endGuard(guard: ChildProcess): Promise<void> {
  if (guard.exitCode !== null) return
  guard.stdin?.end()
  await once(guard, 'exit')
}

/** `answers` says whether it takes requests; its log is `<home>/log`. */
type Guarded = { name: string; home: string; startMs: number; answers: () => Promise<boolean> }
export type RunningServer = {
  /** Ends it at once, by kill -9; `restart` starts it again. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Stops it in the middle of whatever it does, and lets it go on: it takes connections meanwhile, and answers nothing. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

/** Starts the server of a guard that starts one for each line it reads, and says its process id. @throws Error with its log when it does not answer in time; then it is gone */
export async function startGuarded(guard: ChildProcess, { name, home, startMs, answers }: Guarded): Promise<RunningServer> {
  const started = createInterface({ input: guard.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  let pid = 0
  const start = async (): Promise<void> => {
    guard.stdin?.write('start\n')
    pid = Number((await started.next()).value)
    for (const end = Date.now() + startMs; !(await answers()); await sleep(20))
      if (Date.now() > end) throw new Error(`${name} did not start. Its log says:\n${await readFile(join(home, 'log'), 'utf8').catch(() => '(no log)')}`)
  }
  const stop = () => endGuard(guard)
  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    async kill() {
      process.kill(pid, 'SIGKILL')
      while (await answers()) await sleep(20)
    },
    restart: start,
    freeze: () => process.kill(pid, 'SIGSTOP'),
    thaw: () => process.kill(pid, 'SIGCONT'),
    stop,
  }
}
