import { writeSync } from 'node:fs'
import type { Config } from '../config/index.ts'
import { createEmf, type Metrics } from '../telemetry/index.ts'

/** Writes to the log what CloudWatch makes metrics of, where METRICS_NAMESPACE asks for it. `measured`: this process has just read the database for its gauges. Nobody fails by it. */
export type Tell = (measured?: boolean) => Promise<void>

export function teller({ METRICS_NAMESPACE }: Config, metrics: Metrics): Tell {
  if (!METRICS_NAMESPACE) return async () => {}
  const emf = createEmf(metrics, METRICS_NAMESPACE)
  return async (measured = false) => {
    try {
      for (const line of await emf.lines(Date.now(), measured)) writeSync(2, `${line}\n`)
    } catch {
      // a log that cannot be written to takes no complaint either
    }
  }
}
