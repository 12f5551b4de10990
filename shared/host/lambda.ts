import { type Armings, fruitlessOf } from '../arming/index.ts'
import type { Subscriber } from '../bus/index.ts'
import { type Config, readConfig } from '../config/index.ts'
import type { HttpHandler, JobHandler, JobReport, RecordHandler } from '../handler/index.ts'
import { awsHandler } from '../http/index.ts'
import type { Bury } from '../kafka/index.ts'
import { createLog } from '../telemetry/index.ts'
import type { Databases } from './databases.ts'
import { refuseJournal } from './journal.ts'
import { applyKafkaEvent, isKafkaEvent } from './kafka-event.ts'
import { observeJob, observeRecords } from './observe.ts'
import { applyRecords } from './records.ts'
import { armingsOf, deployedRuntime, type Need, patienceMs, type Runtime } from './runtime.ts'

type Context = { getRemainingTimeInMillis(): number }
/** Time kept free before the function's own deadline, to end in order. */
const reserveMs = 3_000

/** Builds on the first call and keeps it for the life of the sandbox; a start that failed is tried again by the next call. */
function once<T>(need: Need, build: (runtime: Runtime) => T): () => Promise<T> {
  let ready: Promise<T> | undefined
  return () => {
    ready ??= start(need).then(build)
    ready.catch(() => {
      ready = undefined
    })
    return ready
  }
}

async function start(need: Need): Promise<Runtime> {
  const config = readConfig()
  refuseJournal(config)
  return deployedRuntime(config, need)
}

/** An HTTP handler behind API Gateway (payload 1.0 or 2.0) or an ALB. */
export function lambdaHttp(build: (runtime: Runtime) => HttpHandler) {
  const load = once('app', (runtime) => {
    const handler = build(runtime)
    const { wakesSent, keyUse, meter, denials, tell, tracing } = runtime
    return { handler, handle: awsHandler(handler), wakesSent, keyUse, meter, denials, tell, tracing }
  })
  return async (event: unknown, context: unknown) => {
    const { handler, handle, wakesSent, keyUse, meter, denials, tell, tracing } = await load()
    if (isMeasure(event)) {
      await handler.measure?.()
      return tell(true)
    }
    const answer = await handle(event, context)
    // the sandbox is frozen once it has answered: a wake-up still on its way, a count or a span would wait for a next request that may never come
    await Promise.all([wakesSent(), keyUse.written(), meter.flushBeforeFreeze(), denials.flushBeforeFreeze(), tell(), tracing.flushBeforeFreeze()])
    return answer
  }
}

/** What the schedule of a handler that measures sends; no API and no load balancer sends an event of this form. */
const isMeasure = (event: unknown): boolean => typeof event === 'object' && event !== null && 'measure' in event && event.measure === true

/**
 * A record handler: takes `{records}` of a drain and answers `{failures:[{index, message, poison, away?}]}`, or takes what an event source of MSK or Kafka sends and
 * answers `{batchItemFailures}`.
 */
export function lambdaRecords(row: Omit<Subscriber, 'handler'>, build: (runtime: Runtime) => RecordHandler) {
  const load = once('worker', (runtime) => {
    const { log, kafka, tracing, tell } = runtime
    const handler = observeRecords({ ...row, handler: build(runtime), transport: kafka ? 'kafka' : 'invoke', log })
    return { handler, bury: buryOf(runtime, row.name), log, tracing, tell }
  })
  return async (event: unknown) => {
    const { handler, bury, log, tracing, tell } = await load()
    try {
      if (!isKafkaEvent(event)) return await applyRecords(handler, event)
      return await applyKafkaEvent({ ...row, handler, bury, onFailure: (place, error) => log.warn({ ...place, err: error }, 'records are tried again from here') }, event)
    } finally {
      await Promise.all([tell(), tracing.flushBeforeFreeze()])
    }
  }
}

function buryOf({ kafka }: Runtime, handler: string): Bury {
  const bury = kafka?.buryOf(handler)
  if (bury) return bury
  return async (_message, reason) => {
    throw new Error(`A record can never be applied (${reason}), and without KAFKA_BOOTSTRAP_SERVERS it cannot be put into the dead letters: set it.`)
  }
}

const dueMs = 10_000

/** In how many seconds a job knows of more to do; null: never. Asked after a run, and only where a stage rests. */
type Due = (databases: Databases, signal: AbortSignal) => Promise<number | null>

/** A job of this name: runs until it is done or the function's time is nearly up; the next run resumes. Where a stage rests it sees to it that there is one, also when it failed, or could not start. */
export function lambdaJob(name: string, need: Need, build: (runtime: Runtime) => JobHandler, due: Due = async () => null) {
  const load = once(need, (runtime) => ({ ...runtime, job: observeJob(name, build(runtime), runtime.log) }))
  let rest: { armings: Armings | undefined } | undefined
  return async (event: unknown, context: Context): Promise<JobReport> => {
    rest ??= restOf(readConfig())
    let report: JobReport | undefined
    let databases: Databases | undefined
    try {
      const { job, tracing, tell, ...loaded } = await load()
      databases = loaded.databases
      try {
        const reserve = rest.armings ? reserveMs + patienceMs : reserveMs
        report = await job(AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - reserve)))
        return report
      } finally {
        await Promise.all([tell(), tracing.flushBeforeFreeze()])
      }
    } finally {
      const signal = AbortSignal.timeout(dueMs)
      await rest.armings?.ended(name, { fruitless: fruitlessOf(event), report, due: async () => (databases ? due(databases, signal) : null) })
    }
  }
}

const restOf = (config: Config) => ({ armings: armingsOf(config, createLog(config.LOG_LEVEL)) })
