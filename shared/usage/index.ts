export { rollupUsage } from './rollup.ts'
export { type Stats, tenantStats } from './stats.ts'
