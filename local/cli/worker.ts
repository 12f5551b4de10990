import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { type JobRow, type ManifestRow, manifest, type RecordsRow } from '../../functions/manifest.ts'
import type { JobReport } from '../../shared/handler/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import type { Local } from '../adapter.ts'
import { secondsHere } from '../jobs.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, refuseUrl } from './globals.ts'
import { interruptible } from './interruptible.ts'
import { answer, count, remark } from './output.ts'
import { openUnlessServed } from './served.ts'

type Options = Globals & { once?: true }
type WorkerRow = JobRow | RecordsRow
export type WorkerReport = { handler: string; runs: number; done: number; failed: number }

const examples = `
A job runs on the schedule of the manifest, again at once while it says that something remains. A consumer of records reads its topic where
KAFKA_BOOTSTRAP_SERVERS names a broker, several share it. Without a broker it is fed by a drain in this process: as one drain hands a change to
all of them, each consumer that is started so does the work of all. A running server (\`npx soma start\`) does all
this by itself; workers are for a real Postgres with the API elsewhere. Any number of them may run at once.

Examples:
  $ npx soma worker drain-outbox
  $ npx soma worker index-vectors
  $ npx soma worker sweep --once --json`

export function addWorker(program: Command): void {
  program
    .command('worker <handler>')
    .description('run one job or consumer of the manifest in the foreground until SIGTERM or Ctrl-C')
    .option('--once', 'run it until nothing remains, then end')
    .addHelpText('after', examples)
    .action(async (name: string, _options, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      refuseUrl(options, 'worker')
      const row = workerRow(name)
      const config = await configOf(options)
      if (options.once && row.kind === 'records' && config.KAFKA_BOOTSTRAP_SERVERS)
        throw new CommandError('usage', `With a broker, ${row.name} reads its topic until it is stopped: leave --once away.`)
      const { openLocal } = await import('../adapter.ts')
      const found = await openUnlessServed(config, () => openLocal(config, createLog(config.LOG_LEVEL)))
      if ('servedAt' in found) throw new CommandError('unavailable', `A server at ${found.servedAt} has the embedded database open and runs every worker by itself.`)
      const local = found.opened
      try {
        const report = await interruptible((signal) => {
          remark(options, `${row.name} runs${options.once ? ' once' : ' until SIGTERM'}: ${row.summary}.`)
          return work(local, row, options.once === true, signal)
        })
        answer(options, report, `${count(report.runs, 'run')} of ${row.name}: ${report.done} done, ${count(report.failed, 'run')} failed.`)
        if (options.once && report.failed) process.exitCode = 1
      } finally {
        await local.close()
      }
    })
}

/** @throws CommandError usage, with the names there are */
export function workerRow(name: string, rows: readonly ManifestRow[] = manifest): WorkerRow {
  const workers = rows.filter((row): row is WorkerRow => row.kind !== 'http' && row.hosts.includes('local'))
  const row = workers.find((one) => one.name === name)
  if (row) return row
  throw new CommandError('usage', `There is no worker "${name}"; there are ${workers.map((one) => one.name).join(', ')}.`)
}

async function work(local: Local, row: WorkerRow, once: boolean, signal: AbortSignal): Promise<WorkerReport> {
  // the drain publishes on this process's bus, where every consumer of the manifest is subscribed
  const job = row.kind === 'job' ? row.name : 'drain-outbox'
  const pause = row.kind === 'job' ? row.everySeconds : drainSeconds()
  const report: WorkerReport = { handler: row.name, runs: 0, done: 0, failed: 0 }
  if (row.kind === 'records' && local.config.KAFKA_BOOTSTRAP_SERVERS) return consume(local, row, signal, report)
  while (!signal.aborted) {
    const { remaining } = await runOnce(local, job, signal, report)
    if (remaining) continue
    // what has no schedule runs when somebody asks, which was now
    if (once || pause === null) break
    await sleep(secondsHere(pause) * 1000, undefined, { signal }).catch(() => {})
  }
  return report
}

/** Reads the topic until asked to end; the log says what it does. */
async function consume(local: Local, row: RecordsRow, signal: AbortSignal, report: WorkerReport): Promise<WorkerReport> {
  local.consume(row.name)
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  return { ...report, runs: 1 }
}

async function runOnce(local: Local, job: string, signal: AbortSignal, report: WorkerReport): Promise<Pick<JobReport, 'remaining'>> {
  report.runs += 1
  try {
    const { done, remaining } = await local.runJob(job, signal)
    report.done += done
    return { remaining }
  } catch (error) {
    report.failed += 1
    process.stderr.write(`${job} failed and is tried again by its schedule: ${error instanceof Error ? error.message : error}\n`)
    return { remaining: false }
  }
}

function drainSeconds(): number | null {
  const row = manifest.find((one) => one.name === 'drain-outbox')
  return row?.kind === 'job' ? row.everySeconds : null
}
