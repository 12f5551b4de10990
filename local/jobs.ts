import { manifest } from '../functions/manifest.ts'
import type { JobHandler, JobReport } from '../shared/handler/index.ts'

/** On one machine a lost wake-up need not wait for the cloud's minute: what runs every minute there runs this often here. */
const minuteHereSeconds = 10
/** The pause between two runs on one machine, of a job that the manifest runs this often. */
export const secondsHere = (everySeconds: number) => (everySeconds === 60 ? minuteHereSeconds : everySeconds)

/** Wake-ups within this time are one: a stream of stores is drained in batches and not one by one. */
export const gatherMs = 50

export type Jobs = { run(name: string, signal?: AbortSignal): Promise<JobReport>; wake(name: string): void; schedule(): void; stop(): Promise<void> }

/** Runs jobs one at a time each: by name, by wake-up, and on the manifest's schedule. */
export function createJobs(handlers: Record<string, JobHandler>, onReport: (report: JobReport) => void = () => {}): Jobs {
  const ending = new AbortController()
  const running = new Map<string, Promise<JobReport>>()
  const again = new Set<string>()
  const woken = new Map<string, NodeJS.Timeout>()
  const timers: NodeJS.Timeout[] = []

  function run(name: string, signal: AbortSignal = ending.signal): Promise<JobReport> {
    const handler = handlers[name]
    if (!handler) throw new Error(`There is no job "${name}"; there are ${Object.keys(handlers).join(', ')}.`)
    const before = running.get(name) ?? Promise.resolve()
    const work = async () => {
      const report = await handler(signal)
      onReport(report)
      return report
    }
    const current = before.then(work, work).finally(() => {
      if (running.get(name) === current) running.delete(name)
    })
    running.set(name, current)
    return current
  }

  function wake(name: string): void {
    if (ending.signal.aborted) return
    // one run is enough for any number of wake-ups that come while it works, if one more follows it
    if (woken.has(name)) return
    if (running.has(name)) {
      again.add(name)
      return
    }
    woken.set(
      name,
      setTimeout(() => {
        woken.delete(name)
        start(name)
      }, gatherMs),
    )
  }

  function start(name: string): void {
    run(name).then(
      () => {
        if (again.delete(name)) wake(name)
      },
      // its log line says why, and its schedule tries again
      () => void again.delete(name),
    )
  }

  return {
    run,
    wake,
    schedule() {
      for (const row of manifest) {
        if (row.kind !== 'job' || row.everySeconds === null || !row.hosts.includes('local')) continue
        timers.push(setInterval(() => wake(row.name), secondsHere(row.everySeconds) * 1000).unref())
      }
    },
    async stop() {
      for (const timer of timers) clearInterval(timer)
      for (const timer of woken.values()) clearTimeout(timer)
      ending.abort()
      await Promise.allSettled(running.values())
    },
  }
}
