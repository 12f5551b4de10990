export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer'
/** Names of OpenTelemetry's semantic conventions, and `soma.*`. Never a text, a payload, a query, a token or a key. */
export type Attributes = Record<string, string | number | boolean>

export type SpanOptions = {
  kind?: SpanKind
  attributes?: Attributes
  /** The traceparent that it continues; null begins a trace. Absent: what is under way around it, if anything is. */
  parent?: string | null | undefined
  /** Traceparents of other traces that it has to do with. */
  links?: readonly string[]
}

/** Something under way. Whoever starts it ends it. */
export type Span = {
  readonly traceId: string
  /** What continues it, in this process or another one, is given this. */
  readonly traceparent: string
  readonly ended: boolean
  rename(name: string): void
  set(attributes: Attributes): void
  /** It failed; the reason is a code or the name of an error, never a message: those may quote what customers sent. */
  fail(reason: string): void
  end(): void
}

/** Makes spans and exports them. `local` is the span of this process that the new one is a part of. */
export type Tracer = {
  start(name: string, options: SpanOptions, local: Span | undefined): Span
  /** Sends what has ended, and waits a moment for it; not at all while nobody takes spans. For a host that may be frozen after each answer. */
  flushBeforeFreeze(): Promise<void>
  /** Sends the rest, and waits for it a little. */
  close(): Promise<void>
}

export type ExportHooks = {
  /** Nobody takes spans: they are dropped. */
  onAway(reason: string): void
  onBack(dropped: number): void
}
