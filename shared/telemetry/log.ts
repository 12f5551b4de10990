import { type Logger, pino } from 'pino'
import { traceFields } from '../trace/index.ts'

export type Log = Pick<Logger, 'info' | 'warn' | 'error' | 'debug'>

/** One JSON line an event on stderr, so that stdout stays for what a command answers; in a span with its trace. Never pass a text, payload, query or token to it. */
export function createLog(level: string): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: ['*.text', '*.payload', '*.query', '*.token', '*.authorization'], mixin: traceFields },
    pino.destination({ dest: 2, sync: true }),
  )
}
