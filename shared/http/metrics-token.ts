import { createHash, timingSafeEqual } from 'node:crypto'
import { AppError } from '../problem/index.ts'

/** Metrics are open where no METRICS_TOKEN is set. @throws AppError unauthenticated */
export function checkMetricsToken(expected: string | undefined, header: string | null | undefined): void {
  if (expected === undefined) return
  const digest = (text: string) => createHash('sha256').update(text).digest()
  if (!timingSafeEqual(digest(`Bearer ${expected}`), digest(header ?? '')))
    throw new AppError('unauthenticated', 'The metrics need their token.', { headers: { 'www-authenticate': 'Bearer' } })
}
