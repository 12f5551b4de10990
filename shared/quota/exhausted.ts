import { AppError } from '../problem/index.ts'
import { rateLimitFields } from './fields.ts'

export const quotaNames = ['daily_writes', 'memories', 'bytes'] as const
export type QuotaName = (typeof quotaNames)[number]

const said: Record<QuotaName, (limit: number, left: number) => string> = {
  daily_writes: (limit, left) => `The tenant may store ${limit} versions a day (UTC), and ${left} are left today: fewer than this takes.`,
  memories: (limit, left) => `The tenant may hold ${limit} memories, and there is room for ${left}: forget some, or ask for a higher limit.`,
  bytes: (limit, left) => `The tenant may hold ${limit} bytes, and there is room for ${left}: forget some memories, or ask for a higher limit.`,
}

/** The write function's own error (SQLSTATE SM002) as what the caller is told: 429 where waiting helps, 402 where it does not. */
export function quotaProblem(detail: string, cause: Error): AppError {
  const { quota, limit, left, reset } = JSON.parse(detail) as { quota: QuotaName; limit: number; left: number; reset: number }
  const daily = quota === 'daily_writes'
  const window = daily ? { seconds: 86_400, resetSeconds: reset } : {}
  const headers = rateLimitFields([{ name: quota.replace('_', '-'), limit, remaining: left, ...window }])
  return new AppError(daily ? 'rate_limited' : 'budget_exhausted', said[quota](limit, left), { cause, headers, ...(daily ? { retryAfterSeconds: Math.max(1, reset) } : {}) })
}
