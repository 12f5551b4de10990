import { AsyncLocalStorage } from 'node:async_hooks'
import * as z from 'zod'
import type { Config } from '../config/index.ts'
import { AppError, problems } from '../problem/index.ts'
import type { ExportHooks, Span, SpanOptions, Tracer } from './port.ts'

export type TraceConfig = Pick<Config, 'OTEL_EXPORTER_OTLP_ENDPOINT' | 'OTEL_EXPORTER_OTLP_HEADERS' | 'OTEL_SERVICE_NAME' | 'OTEL_TRACES_SAMPLER_ARG' | 'STAGE'>
export type Tracing = Pick<Tracer, 'flushBeforeFreeze' | 'close'>
export const noTracing: Tracing = { async flushBeforeFreeze() {}, async close() {} }

/** Of the process, as OpenTelemetry has it: what is under way is found by whoever is called, without being handed on. */
let tracer: Tracer | undefined
const underway = new AsyncLocalStorage<Span>()

/** Spans from here on, where OTEL_EXPORTER_OTLP_ENDPOINT says to whom; otherwise nothing is loaded and `traced` only calls. Whoever ends the process closes it last. */
export async function startTracing(config: TraceConfig, hooks: ExportHooks): Promise<Tracing> {
  if (config.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return noTracing
  const { openTracer } = await import('./otlp.ts')
  const opened = openTracer({ ...config, OTEL_EXPORTER_OTLP_ENDPOINT: config.OTEL_EXPORTER_OTLP_ENDPOINT }, hooks)
  tracer = opened
  return {
    flushBeforeFreeze: opened.flushBeforeFreeze,
    async close() {
      if (tracer === opened) tracer = undefined
      await opened.close()
    },
  }
}

/** Does the work in a span of its own, which ends with it and says how; what it calls is part of that. */
export async function traced<T>(name: string, options: SpanOptions, work: (span: Span | undefined) => T | Promise<T>): Promise<T> {
  const span = startSpan(name, options)
  if (!span) return work(undefined)
  try {
    return await underway.run(span, () => work(span))
  } catch (error) {
    tellError(span, error)
    throw error
  } finally {
    span.end()
  }
}

/** A span beside the work; undefined where there is no tracing. */
export const startSpan = (name: string, options: SpanOptions): Span | undefined => tracer?.start(name, options, current())

/** What is under way around the caller. A timer or a connection that was begun in a span outlives it: that is none. */
function current(): Span | undefined {
  const span = underway.getStore()
  return span?.ended ? undefined : span
}

export const currentTraceparent = (): string | undefined => current()?.traceparent

/** What a log line says of the trace it belongs to. */
export function traceFields(): { trace_id?: string } {
  const span = current()
  return span ? { trace_id: span.traceId } : {}
}

/** What the caller is to blame for is an answer, and no failure of ours. */
function tellError(span: Span, error: unknown): void {
  const blamed = error instanceof z.ZodError ? 'invalid' : error instanceof AppError && problems[error.code][0] < 500 ? error.code : undefined
  if (blamed) span.set({ 'error.type': blamed })
  else span.fail(error instanceof AppError ? error.code : error instanceof Error ? error.name : 'unknown')
}
