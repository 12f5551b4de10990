import * as z from 'zod'
import { readConfig } from '../config/index.ts'
import type { HttpHandler, JobHandler, JobReport, RecordHandler } from '../handler/index.ts'
import { awsHandler } from '../http/index.ts'
import { deployedRuntime, type Need, type Runtime } from './runtime.ts'

type Context = { getRemainingTimeInMillis(): number }
/** Time kept free before the function's own deadline, to end in order. */
const reserveMs = 3_000

const Records = z.object({ records: z.array(z.object({ topic: z.string(), key: z.string(), value: z.string().nullable(), headers: z.record(z.string(), z.string()) })) })

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
  const load = once('app', (runtime) => awsHandler(build(runtime)))
  return async (event: unknown, context: unknown) => (await load())(event, context)
}

/** A record handler: takes `{records}` and answers `{failures:[{index, message, poison}]}`. */
export function lambdaRecords(build: (runtime: Runtime) => RecordHandler) {
  const load = once('worker', build)
  return async (event: unknown) => {
    const { records } = Records.parse(event)
    const failures = await (await load())(records)
    return { failures: failures.map(({ index, error, poison }) => ({ index, message: error.message, poison })) }
  }
}

/** A job: runs until it is done or the function's time is nearly up; the next run resumes. */
export function lambdaJob(need: Need, build: (runtime: Runtime) => JobHandler) {
  const load = once(need, build)
  return async (_event: unknown, context: Context): Promise<JobReport> => (await load())(AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - reserveMs)))
}
