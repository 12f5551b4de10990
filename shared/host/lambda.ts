import { readConfig } from '../config/index.ts'
import type { HttpHandler, JobHandler, JobReport, RecordHandler } from '../handler/index.ts'
import { awsHandler } from '../http/index.ts'
import { applyRecords } from './records.ts'
import { deployedRuntime, type Need, type Runtime } from './runtime.ts'

type Context = { getRemainingTimeInMillis(): number }
/** Time kept free before the function's own deadline, to end in order. */
const reserveMs = 3_000

/** Builds on the first call and keeps it for the life of the sandbox; a start that failed is tried again by the next call. */
function once<T>(need: Need, build: (runtime: Runtime) => T): () => Promise<T> {
  let ready: Promise<T> | undefined
  return () => {
    ready ??= deployedRuntime(readConfig(), need).then(build)
    ready.catch(() => {
      ready = undefined
    })
    return ready
  }
}

/** An HTTP handler behind API Gateway (payload 1.0 or 2.0) or an ALB. */
export function lambdaHttp(build: (runtime: Runtime) => HttpHandler) {
  const load = once('app', (runtime) => ({ handle: awsHandler(build(runtime)), wakesSent: runtime.wakesSent }))
  return async (event: unknown, context: unknown) => {
    const { handle, wakesSent } = await load()
    const answer = await handle(event, context)
    // the sandbox is frozen once it has answered: a wake-up still on its way would wait for the next request
    await wakesSent()
    return answer
  }
}

/** A record handler: takes `{records}` and answers `{failures:[{index, message, poison}]}`. */
export function lambdaRecords(build: (runtime: Runtime) => RecordHandler) {
  const load = once('worker', build)
  return async (event: unknown) => applyRecords(await load(), event)
}

/** A job: runs until it is done or the function's time is nearly up; the next run resumes. */
export function lambdaJob(need: Need, build: (runtime: Runtime) => JobHandler) {
  const load = once(need, build)
  return async (_event: unknown, context: Context): Promise<JobReport> => (await load())(AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - reserveMs)))
}
