import { AppError, type ProblemCode } from '../problem/index.ts'
import { quotaProblem } from '../quota/index.ts'

export const unreachableDetail = 'The database cannot be reached.'

/** SQLSTATE (or Node's error code) → what the caller is told. What is not listed is ours to fix: internal. */
const table: Record<string, readonly [ProblemCode, string]> = {
  '57014': ['timeout', 'The statement ran over its deadline and was stopped.'],
  '55P03': ['timeout', 'A lock was not free in time.'],
  '23505': ['conflict', 'Something with the same key was stored at the same moment.'],
  '40001': ['conflict', 'The change kept colliding with others; try again.'],
  '40P01': ['conflict', 'The change kept colliding with others; try again.'],
  '22P02': ['invalid', 'A value has the wrong form.'],
  '22003': ['invalid', 'A number is out of range.'],
  '22008': ['invalid', 'A time is out of range.'],
  '22009': ['invalid', 'The offset of a time is out of range.'],
  '22021': ['invalid', 'A text holds a character that cannot be stored.'],
  '54000': ['too_large', 'A value is too large to store.'],
  '53300': ['unavailable', 'The database has no connection free.'],
  '53100': ['unavailable', 'The database has no disk space left.'],
  '57P01': ['unavailable', 'The database is restarting.'],
  '57P02': ['unavailable', 'The database is restarting.'],
  '57P03': ['unavailable', 'The database is starting.'],
  '25006': ['unavailable', 'The database accepts no writes at the moment.'],
  '42P01': ['unavailable', 'The schema is missing or old: run `npx soma migrate`.'],
  '42883': ['unavailable', 'The schema is missing or old: run `npx soma migrate`.'],
  '42704': ['unavailable', 'The schema is missing or old: run `npx soma migrate`.'],
  ECONNREFUSED: ['unavailable', unreachableDetail],
  ECONNRESET: ['unavailable', 'The connection to the database was lost.'],
  EPIPE: ['unavailable', 'The connection to the database was lost.'],
  ETIMEDOUT: ['unavailable', 'The database did not answer in time.'],
}
const retryable = new Set(['40001', '40P01', '23505'])

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

export function isRetryable(error: unknown): boolean {
  return !(error instanceof AppError) && retryable.has(codeOf(error))
}

/** Codes of a connection that was refused, lost or ended by a restart. */
const lost = new Set(['53300', '57P01', '57P02', '57P03', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'])
const lostMessage = /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/

/** Whether the database could not be asked, or its answer was lost: what was sent may have been committed all the same. */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof AppError) || error.code !== 'unavailable') return false
  const { cause } = error.details
  return error.message === unreachableDetail || lost.has(codeOf(cause)) || (cause instanceof Error && lostMessage.test(cause.message))
}

/** What a database error means to the caller; anything else passes through unchanged. */
export function toAppError(error: unknown): unknown {
  if (error instanceof AppError) return error
  if (codeOf(error) === 'SM002' && error instanceof Error && 'detail' in error) return quotaProblem(String(error.detail), error)
  const known = table[codeOf(error)]
  if (known) return new AppError(known[0], known[1], { cause: error, ...(known[0] === 'unavailable' ? { retryAfterSeconds: 2 } : {}) })
  if (error instanceof Error && lostMessage.test(error.message)) {
    return new AppError('unavailable', 'The connection to the database was lost.', { cause: error, retryAfterSeconds: 2 })
  }
  return error
}

/** The store function's own errors (SQLSTATE SM001): the problem's code and the item it is about. */
export function itemProblemOf(error: unknown): { code: ProblemCode; item: number } | undefined {
  const cause = error instanceof AppError ? error.details.cause : error
  if (codeOf(cause) !== 'SM001' || !(cause instanceof Error) || !('detail' in cause)) return undefined
  return { code: cause.message as ProblemCode, item: Number(cause.detail) }
}
