import { type ProblemCode, problems } from '../problem/index.ts'
import { type Operation, problemsOf } from './operations/index.ts'

/** What many operations share: each stands once among the document's components and is referred to by name. */
export const parameters = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'The same key and the same body again, within 24 hours, give the same answer and change nothing.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    description: 'The ETag of the version that is meant, or * for any: with another version nothing changes.',
    schema: { type: 'string', pattern: '^("?[0-9]{1,9}"?|\\*)$' },
  },
  RequestId: {
    name: 'X-Request-Id',
    in: 'header',
    description: 'Comes back in the answer when it has this form; any other is replaced.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9_.:-]{1,128}$' },
  },
  TenantId: { name: 'X-Tenant-ID', in: 'header', description: 'The tenant that the caller believes to be; refused when the credential is of another.', schema: { type: 'string' } },
}

export const headers = {
  RequestId: { description: "The request's id, as it stands in the log.", required: true, schema: { type: 'string', minLength: 1, maxLength: 128 } },
  ETag: { description: 'The version, for If-Match.', required: true, schema: { type: 'string', pattern: '^"[0-9]+"$' } },
  IdempotentReplayed: { description: 'Present when an earlier call with this Idempotency-Key did the work.', schema: { const: 'true' } },
  RateLimitPolicy: {
    description: 'The limits that hold for the caller, where there are any: name, quota (q) and window in seconds (w). A list of structured fields (RFC 9651).',
    schema: { type: 'string', pattern: '^"[a-z-]+"(;[qw]=[0-9]+)*(, "[a-z-]+"(;[qw]=[0-9]+)*)*$' },
  },
  RateLimit: {
    description: 'What is left of each (r), and the seconds until it is whole again (t).',
    schema: { type: 'string', pattern: '^"[a-z-]+"(;[rt]=[0-9]+)*(, "[a-z-]+"(;[rt]=[0-9]+)*)*$' },
  },
  RetryAfter: { description: 'Seconds to wait before the next attempt.', schema: { type: 'string', pattern: '^[0-9]+$' } },
  WwwAuthenticate: { description: 'How to authenticate.', schema: { type: 'string' } },
}

export const withRequestId = { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } }
export const rateLimits = { 'RateLimit-Policy': { $ref: '#/components/headers/RateLimitPolicy' }, RateLimit: { $ref: '#/components/headers/RateLimit' } }
const more: Partial<Record<ProblemCode, Record<string, unknown>>> = {
  unauthenticated: { 'WWW-Authenticate': { $ref: '#/components/headers/WwwAuthenticate' } },
  idempotency_in_progress: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } },
  rate_limited: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' }, ...rateLimits },
  budget_exhausted: rateLimits,
  unavailable: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } },
}

/** The problems of an operation by status; each set of codes is a response of its own among the components. */
export function problemSets(operation: Operation): Map<number, { name: string; codes: ProblemCode[] }> {
  const byStatus = Map.groupBy(problemsOf(operation), (code) => problems[code][0] as number)
  return new Map([...byStatus].map(([status, codes]) => [status, { name: codes.join('.'), codes }]))
}

export function problemResponses(operations: readonly Operation[]): Record<string, unknown> {
  const sets = operations.flatMap((operation) => [...problemSets(operation).values()])
  return Object.fromEntries(sets.map(({ name, codes }) => [name, problemResponse(codes)]))
}

function problemResponse(codes: readonly ProblemCode[]): Record<string, unknown> {
  return {
    description: codes.map((code) => problems[code][1]).join(', or: '),
    headers: Object.assign({}, withRequestId, ...codes.map((code) => more[code])),
    content: { 'application/problem+json': { schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { code: { enum: codes } } }] } } },
  }
}
