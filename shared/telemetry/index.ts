export { setBreakers } from './breakers.ts'
export { createLog, type Log } from './log.ts'
export { createMetrics, foldTenants, type Metrics, observeWrite } from './metrics.ts'
