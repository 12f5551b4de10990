/** The one error class. Every adapter (HTTP, command line, records) maps `code` to its own world in one table. */
export type ProblemCode = keyof typeof problems
export type FieldError = { pointer: string; detail: string }

/** Code → HTTP status and title (RFC 9457). */
export const problems = {
  malformed: [400, 'The request cannot be read'],
  unauthenticated: [401, 'Credentials are missing or not valid'],
  budget_exhausted: [402, 'The budget is used up'],
  forbidden: [403, 'The credential does not allow this'],
  not_found: [404, 'There is nothing here'],
  method_not_allowed: [405, 'This method is not offered here'],
  conflict: [409, 'The change conflicts with the present state'],
  idempotency_conflict: [409, 'The idempotency key was used with another body'],
  idempotency_in_progress: [409, 'A request with this idempotency key still runs'],
  gone: [410, 'What was here is gone for good'],
  precondition_failed: [412, 'The memory has changed since that version'],
  too_large: [413, 'The request is too large'],
  unsupported_media_type: [415, 'The content type is not offered here'],
  invalid: [422, 'The request does not fit the contract'],
  scope_conflict: [422, 'A scope id is given twice with different values'],
  rate_limited: [429, 'Too many requests'],
  internal: [500, 'Something broke on our side'],
  unavailable: [503, 'A service that this needs is not reachable'],
  timeout: [504, 'The answer took too long'],
} as const satisfies Record<string, readonly [number, string]>

/** For the audit log, never for the answer: why somebody was refused, in one of few words; and who, where that was known before the request had a context. */
export type Refusal = { reason: string; by?: { tenantId: number; actor: string } }
export type ProblemDetails = { errors?: FieldError[]; retryAfterSeconds?: number; headers?: Record<string, string>; cause?: unknown; denied?: Refusal }

export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ProblemCode
  readonly details: ProblemDetails
  constructor(code: ProblemCode, message: string, details: ProblemDetails = {}) {
    super(message, { cause: details.cause })
    this.code = code
    this.details = details
  }
}

/** A single wrong field, as a 422 that says what to change. */
export function invalidField(pointer: string, detail: string): AppError {
  return new AppError('invalid', detail, { errors: [{ pointer, detail }] })
}
