/** W3C Trace Context: version, trace, parent, flags. */
const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
const zeros = /^0+$/

export type TraceContext = { traceId: string; spanId: string; flags: number }

/** What a `traceparent` says; undefined when it has another form or names nothing. */
export function readTraceparent(text: string | null | undefined): TraceContext | undefined {
  const [, version, traceId = '', spanId = '', flags = ''] = form.exec(text ?? '') ?? []
  if (version === undefined || version === 'ff' || zeros.test(traceId) || zeros.test(spanId)) return undefined
  return { traceId, spanId, flags: Number.parseInt(flags, 16) }
}

/** The header as it came, when it has the right form. */
export const saneTraceparent = (text: string | null | undefined): string | undefined => (text && readTraceparent(text) ? text : undefined)

export const traceIdOf = (text: string | null | undefined): string | undefined => readTraceparent(text)?.traceId

export const writeTraceparent = ({ traceId, spanId, flags }: TraceContext): string => `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`
