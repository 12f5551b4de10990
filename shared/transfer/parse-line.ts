import type * as z from 'zod'
import { checkJson } from '../json/index.ts'
import { fieldErrors } from '../memory/index.ts'
import type { FieldError, ProblemCode } from '../problem/index.ts'
import { LinkLine, MemoryLine, VersionLine } from './line.ts'

export type LineProblem = { code: ProblemCode; detail: string; pointer?: string }
export type Parsed = { kind: 'memory'; line: MemoryLine } | { kind: 'version'; line: VersionLine } | { kind: 'link'; line: LinkLine } | { kind: 'problem'; problem: LineProblem }

/** What one line says, or why it cannot be taken. */
export function parseLine(text: string): Parsed {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return problem('malformed', 'The line is not JSON; it may have been cut.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return problem('malformed', 'The line is not a JSON object.')
  const errors: FieldError[] = []
  checkJson(value, '', 1, errors)
  const [first] = errors
  if (first) return problem('invalid', `${first.pointer} ${first.detail}.`, first.pointer)
  const kind: unknown = 'kind' in value ? value.kind : undefined
  if (kind === undefined) return checked('memory', MemoryLine.safeParse(value))
  if (kind === 'version') return checked('version', VersionLine.safeParse(value))
  if (kind === 'link') return checked('link', LinkLine.safeParse(value))
  return problem('invalid', '/kind takes "version" or "link"; a memory has none.', '/kind')
}

function checked<Kind extends 'memory' | 'version' | 'link', Line>(kind: Kind, result: z.ZodSafeParseResult<Line>): Parsed {
  if (result.success) return { kind, line: result.data } as unknown as Parsed
  const [first, ...others] = fieldErrors(result.error)
  const more = others.length ? ` (and ${others.length} more)` : ''
  return problem('invalid', `${first?.pointer || 'The line'} ${first?.detail}${more}.`, first?.pointer)
}

function problem(code: ProblemCode, detail: string, pointer?: string): Parsed {
  return { kind: 'problem', problem: { code, detail, ...(pointer ? { pointer } : {}) } }
}
