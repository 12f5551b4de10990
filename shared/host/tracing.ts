import type { Config } from '../config/index.ts'
import type { Log } from '../telemetry/index.ts'
import { startTracing, type Tracing } from '../trace/index.ts'

/** Spans of this process, where OTEL_EXPORTER_OTLP_ENDPOINT says to whom. Nobody waits for who takes them: they may be away at any time. */
export function traceOf(config: Config, log: Log): Promise<Tracing> {
  return startTracing(config, {
    onAway: (reason) => log.warn({ reason }, 'spans cannot be exported and are dropped: look at OTEL_EXPORTER_OTLP_ENDPOINT'),
    onBack: (dropped) => log.info({ dropped }, 'spans are exported again'),
  })
}
