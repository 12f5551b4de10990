export { type QuotaName, quotaNames, quotaProblem } from './exhausted.ts'
export { rateLimitFields, type Standing } from './fields.ts'
