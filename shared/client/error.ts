import type { FieldError } from '../problem/index.ts'

/** What went wrong, as the server said it; `status` is absent when nothing answered. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
  readonly code: string
  readonly status: number | undefined
  readonly title: string | undefined
  readonly errors: FieldError[]
  constructor(code: string, message: string, more: { status?: number; title?: string | undefined; errors?: FieldError[]; cause?: unknown } = {}) {
    super(message, { cause: more.cause })
    this.code = code
    this.status = more.status
    this.title = more.title
    this.errors = more.errors ?? []
  }
}

/** What an answer without problem+json means: it comes from something in between. */
const byStatus: Record<number, string> = {
  401: 'unauthenticated',
  403: 'forbidden',
  413: 'too_large',
  429: 'rate_limited',
  502: 'unavailable',
  503: 'unavailable',
  504: 'timeout',
}

/** An answer that is no success, as an error: problem+json when it is one. */
export function problemOf(response: Response, text: string): ClientError {
  const { status } = response
  const problem = (response.headers.get('content-type') ?? '').includes('application/problem+json') ? readProblem(text) : undefined
  if (problem) return new ClientError(problem.code, problem.detail ?? problem.title ?? problem.code, { status, title: problem.title, errors: problem.errors ?? [] })
  return new ClientError(byStatus[status] ?? 'internal', `The server answered ${status} with something that is not of Soma: check the URL.`, { status })
}

function readProblem(text: string): { code: string; detail?: string; title?: string; errors?: FieldError[] } | undefined {
  try {
    const problem: unknown = JSON.parse(text)
    return typeof problem === 'object' && problem !== null && 'code' in problem && typeof problem.code === 'string' ? (problem as { code: string }) : undefined
  } catch {
    return undefined
  }
}

/** `fetch` failed before there was an answer. Any other error is a bug and passes as it is. */
export function notReached(url: string, error: unknown): unknown {
  if (error instanceof DOMException && error.name === 'TimeoutError') return new ClientError('timeout', `${url} did not answer in time.`, { cause: error })
  if (!(error instanceof TypeError) || error.cause === undefined) return error
  const { cause } = error
  const why = cause instanceof Error ? ('code' in cause && typeof cause.code === 'string' ? cause.code : cause.message) : String(cause)
  return new ClientError('unavailable', `${url} cannot be reached (${why}). Is the server running there?`, { cause: error })
}
