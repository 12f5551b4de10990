import { type Logger, pino } from 'pino'

export type Log = Pick<Logger, 'info' | 'warn' | 'error' | 'debug'>

/** One JSON line an event on stderr, so that stdout stays for what a command answers. Never pass a text, payload, query or token to it. */
export function createLog(level: string): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: ['*.text', '*.payload', '*.query', '*.token', '*.authorization'] },
    pino.destination({ dest: 2, sync: true }),
  )
}
