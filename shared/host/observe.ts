import type { Subscriber } from '../bus/index.ts'
import type { EventRecord, JobHandler, RecordFailure, RecordHandler } from '../handler/index.ts'
import type { Log } from '../telemetry/index.ts'
import { type Attributes, type Span, startSpan, traced, traceIdOf } from '../trace/index.ts'

/** Traces of a batch that get a span of their own, and those that its log line names. */
const mostSpans = 100
const mostIds = 20

type Observed = Pick<Subscriber, 'name' | 'topic' | 'handler'> & { /** As its publisher is called: kafka, in-process, invoke. */ transport: string; log: Log }

/**
 * A record handler with a log line and a span a batch. A batch of one trace is a part of that. One of several begins its own, linked to each, and each has a span
 * for as long as the batch took: so the trace of a request shows when it was applied, whatever it was applied with.
 */
export function observeRecords({ name, topic, handler, transport, log }: Observed): RecordHandler {
  return (records) => {
    const started = performance.now()
    const traces = [...Map.groupBy(records.keys(), (index) => (records[index] as EventRecord).headers.traceparent)]
    const parents = traces.flatMap(([parent, indexes]) => (traceIdOf(parent) ? [{ parent: parent as string, indexes }] : []))
    const alone = traces.length === 1 ? parents[0]?.parent : undefined
    const attributes = {
      'messaging.system': transport,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': topic,
      'soma.handler': name,
    }
    const links = alone === undefined ? parents.slice(0, mostSpans).map(({ parent }) => parent) : []
    const batch = { kind: 'consumer', parent: alone, links, attributes: { ...attributes, ...about(records, records.keys()) } } as const
    return traced(`process ${topic}`, batch, async (span) => {
      const beside = alone === undefined && span ? spansOf(records, parents.slice(0, mostSpans), attributes, `process ${topic}`, span) : []
      let failures: RecordFailure[] | undefined
      try {
        failures = await handler(records)
        return failures
      } finally {
        const failed = failures && new Set(failures.map(({ index }) => index))
        for (const one of beside) {
          if (one.indexes.some((index) => !failed || failed.has(index))) one.span.fail('not_applied')
          one.span.end()
        }
        if (failures?.length) span?.fail('not_applied')
        const ids = [...new Set(parents.map(({ parent }) => traceIdOf(parent)))]
        const traceId = span?.traceId ?? (traces.length === 1 ? ids[0] : undefined)
        const told = { ...(traceId ? { trace_id: traceId } : {}), ...(traces.length > 1 && ids.length ? { trace_ids: ids.slice(0, mostIds) } : {}) }
        log.info({ handler: name, topic, records: records.length, failed: failed?.size ?? records.length, ms: elapsed(started), ...told }, 'records')
      }
    })
  }
}

type Trace = { parent: string; indexes: number[] }

function spansOf(records: readonly EventRecord[], traces: Trace[], attributes: Attributes, name: string, batch: Span): { span: Span; indexes: number[] }[] {
  return traces.flatMap(({ parent, indexes }) => {
    const span = startSpan(name, { kind: 'consumer', parent, links: [batch.traceparent], attributes: { ...attributes, ...about(records, indexes) } })
    return span ? [{ span, indexes }] : []
  })
}

/** Whose they are, where it is one tenant's. */
function about(records: readonly EventRecord[], indexes: Iterable<number>): Attributes {
  const chosen = [...indexes].map((index) => (records[index] as EventRecord).headers)
  const [tenant, ...others] = new Set(chosen.map((headers) => headers['tenant-id'] ?? ''))
  const [only] = chosen
  return {
    ...(tenant && !others.length ? { 'soma.tenant': tenant } : {}),
    ...(chosen.length > 1 ? { 'messaging.batch.message_count': chosen.length } : {}),
    ...(chosen.length === 1 && only?.['event-id'] ? { 'messaging.message.id': only['event-id'] } : {}),
  }
}

/** A job with a log line and a trace of its own a run. With `quietly` it is tried again by its schedule: a failure is a warning, and a run that found nothing to do a debug line. */
export function observeJob(name: string, job: JobHandler, log: Log, { quietly = false } = {}): JobHandler {
  return (signal) => {
    const started = performance.now()
    return traced(`job ${name}`, { parent: null, attributes: { 'soma.handler': name } }, async (span) => {
      const told = () => ({ job: name, ms: elapsed(started), ...(span ? { trace_id: span.traceId } : {}) })
      try {
        const report = await job(signal)
        span?.set({ 'soma.job.done': report.done, 'soma.job.remaining': report.remaining })
        log[quietly && report.done === 0 ? 'debug' : 'info']({ ...told(), ...report }, 'job')
        return report
      } catch (error) {
        log[quietly ? 'warn' : 'error']({ ...told(), err: error }, quietly ? 'a job failed; its schedule tries again' : 'job failed')
        throw error
      }
    })
  }
}

const elapsed = (started: number): number => Math.round((performance.now() - started) * 10) / 10
