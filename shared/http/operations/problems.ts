import { type ProblemCode, problems } from '../../problem/index.ts'
import type { Operation } from './operation.ts'

/** Every code that an operation can answer with, as its form says: who may call it, what it reads, what it finds. */
export function problemsOf({ scope, body, path, idempotent, ifMatch, problems: more = [] }: Operation): ProblemCode[] {
  const codes: ProblemCode[] = ['internal', ...more]
  if (scope !== undefined) codes.push('unauthenticated', 'forbidden', 'invalid', 'rate_limited', 'unavailable', 'timeout')
  if (body) codes.push('malformed', 'too_large', 'unsupported_media_type')
  if (path.includes(':')) codes.push('not_found')
  if (idempotent) codes.push('idempotency_conflict', 'idempotency_in_progress')
  if (ifMatch) codes.push('precondition_failed')
  return (Object.keys(problems) as ProblemCode[]).filter((code) => codes.includes(code))
}
