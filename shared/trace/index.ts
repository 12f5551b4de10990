export type { Attributes, ExportHooks, Span, SpanOptions } from './port.ts'
export { currentTraceparent, noTracing, startSpan, startTracing, type Tracing, traced, traceFields } from './trace.ts'
export { saneTraceparent, traceIdOf } from './traceparent.ts'
