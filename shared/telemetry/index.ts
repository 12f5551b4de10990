export { createLog, type Log } from './log.ts'
export { createMetrics, foldTenants, type Metrics } from './metrics.ts'
