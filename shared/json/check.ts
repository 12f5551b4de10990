import type { FieldError } from '../problem/index.ts'

/** Far above what any field allows; keeps a hostile nesting away from code that recurses. */
const deepest = 64

/** What JSON can say and Postgres cannot keep: NUL, lone surrogates, numbers beyond a double; and nesting without an end. */
export function checkJson(value: unknown, pointer: string, depth: number, errors: FieldError[]): void {
  if (errors.length >= 20) return
  if (typeof value === 'string') {
    const wrong = textProblem(value)
    if (wrong) errors.push({ pointer, detail: wrong })
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) errors.push({ pointer, detail: 'is a number beyond a double' })
  } else if (typeof value === 'object' && value !== null) {
    if (depth > deepest) {
      errors.push({ pointer, detail: `nests deeper than ${deepest} levels` })
      return
    }
    for (const [name, inner] of Object.entries(value)) {
      const at = `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
      const wrong = textProblem(name)
      if (wrong) errors.push({ pointer: at.toWellFormed().replaceAll('\0', ''), detail: `the name ${wrong}` })
      checkJson(inner, at, depth + 1, errors)
    }
  }
}

export function textProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'holds a NUL character'
  if (!text.isWellFormed()) return 'holds half of a surrogate pair'
  return undefined
}
