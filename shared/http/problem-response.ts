import * as z from 'zod'
import { fieldErrors } from '../memory/index.ts'
import { AppError, problems } from '../problem/index.ts'
import type { ProblemBody } from './answers/problem.ts'

/** Whatever was thrown, as an AppError; what nobody foresaw is `internal`, and none of its text leaves the process. */
export function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  if (error instanceof z.ZodError) {
    const errors = fieldErrors(error)
    return new AppError(
      'invalid',
      errors
        .map((one) => `${one.pointer || '/'} ${one.detail}`)
        .slice(0, 3)
        .join('; '),
      { errors: errors.slice(0, 100), cause: error },
    )
  }
  return new AppError('internal', 'The request could not be served; its id is in the log.', { cause: error })
}

/** RFC 9457. */
export function problemResponse(error: AppError, request: { path: string; id: string }): Response {
  const [status, title] = problems[error.code]
  const body: ProblemBody = {
    type: `urn:soma:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    instance: request.path,
    code: error.code,
    request_id: request.id,
    ...(error.details.errors ? { errors: error.details.errors } : {}),
  }
  const retryAfter = error.details.retryAfterSeconds ?? (status === 503 || status === 429 ? 2 : undefined)
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json', ...error.details.headers, ...(retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfter)) }) },
  })
}
