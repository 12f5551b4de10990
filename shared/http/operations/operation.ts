import type * as z from 'zod'
import type { ProblemCode } from '../../problem/index.ts'

/** A parameter of the query string or of the path: what it means, and what it takes once it is read from the text. */
export type Parameter = { description: string; schema?: z.ZodType; required?: true; example?: string | number | boolean }

export type Operation = {
  id: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  summary: string
  /** More than the summary says, as sentences. */
  description?: string
  scope?: string
  /** The parameters in the path; one that is not described is a text. */
  params?: Readonly<Record<string, Parameter>>
  query?: Readonly<Record<string, string | Parameter>>
  body?: z.ZodType
  /** The body's media type where it is not JSON. */
  bodyType?: string
  example?: unknown
  success: number
  /** The JSON of the answer; absent where there is none. */
  answer?: z.ZodType
  /** The answer's media type where it is not JSON. */
  answerType?: string
  /** Other statuses that carry the same answer, with what each means. */
  also?: Readonly<Record<number, string>>
  /** It takes an Idempotency-Key. */
  idempotent?: true
  /** It honours If-Match. */
  ifMatch?: true
  /** Its answer carries the version as ETag. */
  etag?: true
  /** What can be wrong beside what its form already says (see problemsOf). */
  problems?: readonly ProblemCode[]
}
