import * as z from 'zod'
import { AppError, invalidField } from '../problem/index.ts'
import { type Field, fieldOf, type Operator, operators } from './fields.ts'

/** The grammar of list, recall, forget and export. Parsing fails closed: what is not understood is a 422, never dropped. */
export type Filter = { kind: 'and' | 'or'; parts: Filter[] } | { kind: 'not'; part: Filter } | Leaf
export type Leaf = { kind: 'leaf'; field: Field; op: Operator; value: unknown; pointer: string }

export const maxDepth = 8
export const maxLeaves = 64

/** A filter in a body, for the OpenAPI document; parseFilter is what holds it to the grammar. */
export const FilterIn = z.unknown().meta({
  type: 'object',
  minProperties: 1,
  description: `{"AND":[…]}, {"OR":[…]}, {"NOT":…}, {"field":value} or {"field":{"op":value}} with ${operators.join(', ')}; ${maxDepth} levels and ${maxLeaves} conditions at most. Fields: every scalar of a memory, tags, metadata.<path>, payload.<path>.`,
  examples: [{ tags: { contains: 'habits' } }],
})

/** @throws AppError invalid, with a JSON pointer below `pointer` */
export function parseFilter(input: unknown, pointer = '/filters'): Filter {
  const count = { leaves: 0 }
  return parseNode(input, pointer, 1, count)
}

function parseNode(input: unknown, pointer: string, depth: number, count: { leaves: number }): Filter {
  if (depth > maxDepth) throw invalidField(pointer, `a filter nests at most ${maxDepth} levels`)
  if (!isObject(input)) throw invalidField(pointer, 'a filter is an object such as {"tags": {"contains": "x"}}')
  const entries = Object.entries(input)
  if (!entries.length) throw invalidField(pointer, 'a filter names at least one field')
  const parts = entries.map(([name, value]) => parseEntry(name, value, `${pointer}/${escapePointer(name)}`, depth, count))
  return parts.length === 1 ? (parts[0] as Filter) : { kind: 'and', parts }
}

function parseEntry(name: string, value: unknown, pointer: string, depth: number, count: { leaves: number }): Filter {
  if (name === 'AND' || name === 'OR') {
    if (!Array.isArray(value) || !value.length) throw invalidField(pointer, `${name} takes a list of at least one filter`)
    return { kind: name === 'AND' ? 'and' : 'or', parts: value.map((part, i) => parseNode(part, `${pointer}/${i}`, depth + 1, count)) }
  }
  if (name === 'NOT') return { kind: 'not', part: parseNode(value, pointer, depth + 1, count) }
  const field = fieldOf(name)
  if (!field) throw invalidField(pointer, `there is no field "${name}" to filter on`)
  const conditions = isObject(value) ? Object.entries(value) : [['eq', value] as const]
  if (!conditions.length) throw invalidField(pointer, `takes a value or an operator: ${operators.join(', ')}`)
  const leaves = conditions.map(([spelling, operand]): Filter => {
    count.leaves++
    if (count.leaves > maxLeaves)
      throw new AppError('invalid', `A filter has at most ${maxLeaves} conditions.`, { errors: [{ pointer, detail: `more than ${maxLeaves} conditions` }] })
    const op = operators.find((known) => known === spelling || `$${known}` === spelling)
    const at = isObject(value) ? `${pointer}/${escapePointer(spelling)}` : pointer
    if (!op) throw invalidField(at, `there is no operator "${spelling}"; there are ${operators.join(', ')}`)
    field.check(op, operand, at)
    return { kind: 'leaf', field, op, value: operand, pointer: at }
  })
  return leaves.length === 1 ? (leaves[0] as Filter) : { kind: 'and', parts: leaves }
}

/** What every match must equal: the leaves `field = text` that no OR and no NOT stands above. */
export function requiredValues(filter: Filter | undefined): Map<string, { value: string; pointer: string }> {
  const found = new Map<string, { value: string; pointer: string }>()
  const visit = (node: Filter): void => {
    if (node.kind === 'and') node.parts.forEach(visit)
    if (node.kind !== 'leaf' || node.op !== 'eq' || typeof node.value !== 'string') return
    if (!found.has(node.field.name)) found.set(node.field.name, { value: node.value, pointer: node.pointer })
  }
  if (filter) visit(filter)
  return found
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
