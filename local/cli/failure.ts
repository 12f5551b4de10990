import { CommanderError } from 'commander'
import * as z from 'zod'
import { ClientError } from '../../shared/client/index.ts'
import { ConfigError } from '../../shared/config/index.ts'
import { AppError, type FieldError, problems } from '../../shared/problem/index.ts'

/** What a command itself refuses; everything else comes from the verbs or from the server. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: string
  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

/** Code → exit code; whatever is not listed is 1. */
const exitCodes: Record<string, number> = { usage: 2, not_found: 3, unauthenticated: 4, forbidden: 4, unavailable: 5, timeout: 5 }
const hints: Record<string, string> = { unauthenticated: 'Give a key by --token or SOMA_TOKEN.' }

type Failure = { code: string; detail: string; errors?: FieldError[] }

/** Says what went wrong on stderr and gives the exit code. Help that was asked for is no failure. */
export function reportFailure(error: unknown, json: boolean): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0
  const failure = failureOf(error)
  if (json) process.stderr.write(`${JSON.stringify({ error: failure })}\n`)
  else if (!helpWasShown(error)) process.stderr.write(`${failure.detail}\n`)
  return exitCodes[failure.code] ?? 1
}

function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) return { code: 'usage', detail: helpWasShown(error) ? 'Name a command: --help lists them.' : sentence(error.message) }
  if (error instanceof CommandError) return { code: error.code, detail: error.message }
  if (error instanceof ConfigError) return { code: 'config', detail: error.message }
  if (error instanceof ClientError) return withFields(error.code, error.message, error.title, error.errors)
  if (error instanceof AppError) return withFields(error.code, error.message, problems[error.code][1], error.details.errors ?? [])
  if (error instanceof z.ZodError) {
    const errors = error.issues.map((issue) => ({ pointer: issue.path.map((step) => `/${String(step)}`).join(''), detail: issue.message }))
    return withFields('invalid', 'It does not fit.', problems.invalid[1], errors)
  }
  return { code: 'failed', detail: error instanceof Error ? error.message : String(error) }
}

function withFields(code: string, detail: string, title: string | undefined, errors: FieldError[]): Failure {
  if (!errors.length) return { code, detail: [detail, hints[code]].filter(Boolean).join(' ') }
  const fields = errors.map((one) => `${one.pointer || '/'} ${one.detail}`).join('; ')
  return { code, detail: `${title ?? 'The request does not fit the contract'}: ${fields}.`, errors }
}

/** `error: unknown option '--x'` → `Unknown option '--x'. …` */
function sentence(message: string): string {
  const text = message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ')
  const end = /[.?!)]$/.test(text) ? '' : '.'
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${end} \`soma --help\` lists the commands, \`soma <command> --help\` what one takes.`
}

function helpWasShown(error: unknown): boolean {
  return error instanceof CommanderError && error.code === 'commander.help'
}
