import { invalidField } from '../problem/index.ts'

export const operators = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'contains', 'icontains', 'exists'] as const
export type Operator = (typeof operators)[number]

type Kind = 'text' | 'number' | 'time' | 'uuid' | 'state' | 'tags' | 'json'
export type Field = {
  name: string
  kind: Kind
  /** The column of memories; for json the column, with `path` below it. */
  column: string
  path?: string[]
  nullable: boolean
  /** @throws AppError invalid when the operator or the operand does not suit the field */
  check(op: Operator, operand: unknown, pointer: string): void
}

const columns: Record<string, readonly [Kind, boolean, string?]> = {
  id: ['uuid', false],
  coord: ['text', true],
  memory_type: ['text', false],
  user_id: ['text', true],
  agent_id: ['text', true],
  app_id: ['text', true],
  run_id: ['text', true],
  session_id: ['text', true],
  speaker: ['text', true],
  language: ['text', true],
  text: ['text', false],
  version: ['number', false],
  importance: ['number', false],
  occurred_at: ['time', true],
  valid_from: ['time', true],
  valid_to: ['time', true],
  expires_at: ['time', true],
  created_at: ['time', false],
  updated_at: ['time', false, 'recorded_at'],
  supersedes: ['uuid', true],
  superseded_by: ['uuid', true],
  index_state: ['state', false],
  tags: ['tags', false],
}
const allowed: Record<Kind, readonly Operator[]> = {
  text: ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'contains', 'icontains', 'exists'],
  number: ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'exists'],
  time: ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'exists'],
  uuid: ['eq', 'ne', 'in', 'nin', 'exists'],
  state: ['eq', 'ne', 'in', 'nin'],
  tags: ['eq', 'ne', 'contains', 'icontains', 'in', 'nin', 'exists'],
  json: ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'contains', 'icontains', 'exists'],
}
const maxListed = 100

/** The filter field of a name, `metadata.<path>` and `payload.<path>` included; undefined when there is none. */
export function fieldOf(name: string): Field | undefined {
  const known = Object.hasOwn(columns, name) ? columns[name] : undefined
  if (known) return field(name, known[0], known[2] ?? name, known[1])
  const [column, ...path] = name.split('.')
  if ((column !== 'metadata' && column !== 'payload') || !path.length || path.some((step) => step === '') || path.length > 6) return undefined
  return { ...field(name, 'json', column, true), path }
}

function field(name: string, kind: Kind, column: string, nullable: boolean): Field {
  return { name, kind, column, nullable, check: (op, operand, pointer) => check(name, kind, op, operand, pointer) }
}

function check(name: string, kind: Kind, op: Operator, operand: unknown, pointer: string): void {
  if (!allowed[kind].includes(op)) throw invalidField(pointer, `"${name}" takes ${allowed[kind].join(', ')}`)
  if (op === 'exists') {
    if (typeof operand !== 'boolean') throw invalidField(pointer, 'exists takes true or false')
    return
  }
  if (operand === null && (op === 'eq' || op === 'ne')) return
  if (op === 'in' || op === 'nin' || (kind === 'tags' && (op === 'eq' || op === 'ne'))) {
    if (!Array.isArray(operand) || operand.length > maxListed) throw invalidField(pointer, `takes a list of at most ${maxListed} values`)
    operand.forEach((value, i) => {
      checkValue(kind, value, `${pointer}/${i}`)
    })
    return
  }
  if ((op === 'contains' || op === 'icontains') && kind === 'json' && op === 'contains' && typeof operand !== 'object') return
  if ((op === 'contains' || op === 'icontains') && typeof operand !== 'string') throw invalidField(pointer, 'takes a text')
  if (kind === 'json' && ['gt', 'gte', 'lt', 'lte'].includes(op) && typeof operand !== 'string' && typeof operand !== 'number')
    throw invalidField(pointer, 'takes a number or a text')
  checkValue(kind, operand, pointer)
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
function checkValue(kind: Kind, value: unknown, pointer: string): void {
  const fits = {
    text: () => typeof value === 'string',
    tags: () => typeof value === 'string',
    number: () => typeof value === 'number' && Number.isFinite(value),
    time: () => typeof value === 'string' && isTime(value),
    uuid: () => typeof value === 'string' && uuid.test(value),
    state: () => value === 'pending' || value === 'indexed',
    json: () => ['string', 'number', 'boolean'].includes(typeof value),
  }[kind]()
  const takes = {
    text: 'a text',
    tags: 'a tag',
    number: 'a number',
    time: 'a time such as 2026-01-31T12:00:00Z',
    uuid: 'an id',
    state: '"pending" or "indexed"',
    json: 'a text, number or boolean',
  }
  if (!fits) throw invalidField(pointer, `takes ${takes[kind]}`)
}

export const timePattern = '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?(Z|[+-]\\d{2}:\\d{2}))?$'
const timeForm = new RegExp(timePattern)

/** RFC 3339 with an offset, or a date alone (midnight UTC), between the years 1 and 9999. */
export function isTime(text: string): boolean {
  if (!timeForm.test(text)) return false
  const at = Date.parse(text)
  if (Number.isNaN(at)) return false
  // Date rolls 31 February over to March: what comes back must be the day that was written
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`)
  const year = new Date(at).getUTCFullYear()
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text.slice(0, 10)) && year >= 1 && year <= 9999
}
