/** OpenTelemetry's SDK: loaded where there is somebody to export to, and nowhere else. */
import { ROOT_CONTEXT, type SpanContext, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, ParentBasedSampler, type SpanExporter, TraceIdRatioBasedSampler, TracerProvider } from '@opentelemetry/sdk-trace'
import pkg from '../../package.json' with { type: 'json' }
import type { ExportHooks, Span, SpanOptions, Tracer } from './port.ts'
import type { TraceConfig } from './trace.ts'
import { readTraceparent, writeTraceparent } from './traceparent.ts'

/** Beyond so many spans that wait to be sent, more are dropped: some 4 MiB. */
export const mostWaiting = 4_096
const batchSize = 512
const delayMs = 2_000
/** An export, its repetitions included, is given up after it. */
const exportMs = 5_000
const idleMs = 3_000
const freezeMs = 500
const closeMs = 2_000
/** Who has not taken spans is not waited for by a host that may be frozen, for so long. */
const restMs = 30_000

const kinds = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER }

export function openTracer(config: TraceConfig & { OTEL_EXPORTER_OTLP_ENDPOINT: string }, hooks: ExportHooks): Tracer {
  const { exporter, away } = watchedExporter(
    new OTLPTraceExporter({
      url: `${config.OTEL_EXPORTER_OTLP_ENDPOINT.replace(/\/+$/, '')}/v1/traces`,
      ...(config.OTEL_EXPORTER_OTLP_HEADERS ? { headers: config.OTEL_EXPORTER_OTLP_HEADERS } : {}),
      timeoutMillis: exportMs,
      // a connection that was idle for longer is not taken up again: of a sandbox that was frozen it is half gone
      httpAgentOptions: { keepAlive: true, timeout: idleMs },
    }),
    hooks,
  )
  const processor = new BatchSpanProcessor({ exporter, maxQueueSize: mostWaiting, maxExportBatchSize: batchSize, scheduledDelayMillis: delayMs, exportTimeoutMillis: exportMs })
  const provider = new TracerProvider({
    // a caller who samples, or does not, has decided for the whole trace
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(config.OTEL_TRACES_SAMPLER_ARG) }),
    resource: defaultResource().merge(
      resourceFromAttributes({ 'service.name': config.OTEL_SERVICE_NAME, 'service.version': pkg.version, 'deployment.environment.name': config.STAGE }),
    ),
    spanProcessors: [processor],
    // what others put into a record's headers may be of any length
    spanLimits: { attributeValueLengthLimit: 256 },
  })
  const tracer = provider.getTracer('soma-memory', pkg.version)
  let restUntil = 0

  return {
    start(name, options, local) {
      const parent = parentOf(options, local)
      const links = (options.links ?? []).flatMap((link) => contextOf(link, true)).map((context) => ({ context }))
      const settings = { kind: kinds[options.kind ?? 'internal'], links, ...(options.attributes ? { attributes: options.attributes } : {}) }
      return spanOf(tracer.startSpan(name, settings, parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT))
    },
    async flushBeforeFreeze() {
      if (Date.now() < restUntil) return
      // what the processor hands over, and what was on its way already
      const flushed = processor.forceFlush().then(() => exporter.forceFlush?.())
      if (!(await within(freezeMs, flushed)) || away()) restUntil = Date.now() + restMs
    },
    async close() {
      await within(closeMs, provider.shutdown())
    },
  }
}

function parentOf({ parent }: SpanOptions, local: Span | undefined): SpanContext | undefined {
  if (parent === null) return undefined
  return parent === undefined ? contextOf(local?.traceparent, false)[0] : contextOf(parent, true)[0]
}

function contextOf(traceparent: string | undefined, isRemote: boolean): SpanContext[] {
  const read = readTraceparent(traceparent)
  return read ? [{ traceId: read.traceId, spanId: read.spanId, traceFlags: read.flags, isRemote }] : []
}

function spanOf(span: ReturnType<ReturnType<TracerProvider['getTracer']>['startSpan']>): Span {
  const { traceId, spanId, traceFlags: flags } = span.spanContext()
  let ended = false
  return {
    traceId,
    traceparent: writeTraceparent({ traceId, spanId, flags }),
    get ended() {
      return ended
    },
    rename: (name) => void span.updateName(name),
    set: (attributes) => void span.setAttributes(attributes),
    fail(reason) {
      span.setAttribute('error.type', reason)
      span.setStatus({ code: SpanStatusCode.ERROR })
    },
    end() {
      ended = true
      span.end()
    },
  }
}

/** Says once that spans are not taken, and once that they are again; the SDK itself says nothing. */
function watchedExporter(inner: OTLPTraceExporter, { onAway, onBack }: ExportHooks): { exporter: SpanExporter; away: () => boolean } {
  let dropped = 0
  const exporter: SpanExporter = {
    export(spans, done) {
      inner.export(spans, (result) => {
        if (result.code !== 0) {
          if (dropped === 0) onAway(reasonOf(result.error))
          dropped += spans.length
        } else if (dropped > 0) {
          onBack(dropped)
          dropped = 0
        }
        done(result)
      })
    },
    forceFlush: () => inner.forceFlush(),
    shutdown: () => inner.shutdown(),
  }
  return { exporter, away: () => dropped > 0 }
}

/** An answer has its status as code; a connection that was tried at several addresses has a code and no message. */
function reasonOf(error: (Error & { code?: unknown }) | undefined): string {
  const [code, message] = [error?.code === undefined ? '' : String(error.code), error?.message ?? '']
  return (message.includes(code) ? message : `${code} ${message}`.trim()) || 'no answer'
}

/** True when it ended in time and well. Nothing that is traced ever fails by it. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  const done = work.then(
    () => true,
    () => false,
  )
  return Promise.race([done, late]).finally(() => clearTimeout(timer))
}
