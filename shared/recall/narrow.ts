import type { Filter } from '../filter/index.ts'
import type { Selection } from '../memory/index.ts'
import { leafName, manyLeaves, mark, markedColumns, type Narrow } from '../vector/index.ts'
import type { RecallInput } from './schema.ts'

type Leaf = Extract<Filter, { kind: 'leaf' }>
/** More than what a float32 in between can be off. */
const importanceSlack = 1e-6
const times: Record<string, 'createdMs' | 'occurredMs'> = { created_at: 'createdMs', occurred_at: 'occurredMs' }

/**
 * What of a query a vector engine can be told beyond namespace and user: a condition that every match fulfils. It looks only at what does not change while a
 * vector is good (a new version waits for its own), so it is never too narrow; what cannot be said is left to Postgres, which looks at all of it in any case.
 */
export function narrowOf(input: RecallInput, selection: Selection): Narrow | undefined {
  const { user_id: _inItsKey, ...ids } = selection.ids
  const parts: (Narrow | undefined)[] = Object.entries(ids).map(([name, id]) => (id === undefined ? undefined : marked(name, [id])))
  if (input.memory_types) parts.push(marked('memory_type', input.memory_types))
  if (selection.filter) parts.push(narrowFilter(selection.filter))
  // a version that was recorded in the same millisecond is let through
  if (input.as_of !== undefined) parts.push({ kind: 'bound', field: 'recordedMs', op: '<=', value: Date.parse(input.as_of) })
  return all(parts)
}

/** A NOT says nothing: a mark that two values share would exclude what matches. */
function narrowFilter(filter: Filter): Narrow | undefined {
  if (filter.kind === 'and') return all(filter.parts.map(narrowFilter))
  if (filter.kind === 'or') {
    const parts = filter.parts.map(narrowFilter)
    return parts.every((part) => part !== undefined) ? { kind: 'or', parts } : undefined
  }
  return filter.kind === 'leaf' ? narrowLeaf(filter) : undefined
}

function narrowLeaf({ field, op, value }: Leaf): Narrow | undefined {
  if (value === null) return undefined
  const listed = op === 'eq' ? [value] : op === 'in' ? (value as unknown[]) : undefined
  if (field.kind === 'text') return listed && (markedColumns as readonly string[]).includes(field.column) ? marked(field.column, listed) : undefined
  if (field.kind === 'tags') {
    if (op === 'contains' || op === 'in') return marked('tags', op === 'in' ? (value as unknown[]) : [value])
    return op === 'eq' ? all((value as unknown[]).map((tag) => marked('tags', [tag]))) : undefined
  }
  if (field.kind === 'json') {
    // a step that is a number may be a place in a list
    const plain = field.column === 'metadata' && field.path?.every((step) => !/^\s*[+-]?\d+\s*$/.test(step))
    return plain && listed ? { kind: 'marked', anyOf: [...listed.map((one) => mark(leafName(field.path as string[]), one)), manyLeaves] } : undefined
  }
  if (field.column === 'importance') return bounds('importance', op, value as number, importanceSlack)
  const time = times[field.column]
  return time && typeof value === 'string' ? bounds(time, op, Date.parse(value), 1) : undefined
}

function bounds(field: Extract<Narrow, { kind: 'bound' }>['field'], op: string, value: number, slack: number): Narrow | undefined {
  const atLeast: Narrow = { kind: 'bound', field, op: '>=', value: value - slack }
  const atMost: Narrow = { kind: 'bound', field, op: '<=', value: value + slack }
  if (op === 'eq') return { kind: 'and', parts: [atLeast, atMost] }
  if (op === 'gt' || op === 'gte') return atLeast
  return op === 'lt' || op === 'lte' ? atMost : undefined
}

/** One of no values is nothing that could be said; Postgres says it. */
const marked = (field: string, values: unknown[]): Narrow | undefined => (values.length ? { kind: 'marked', anyOf: values.map((value) => mark(field, value)) } : undefined)

function all(parts: (Narrow | undefined)[]): Narrow | undefined {
  const said = parts.filter((part) => part !== undefined)
  return said.length > 1 ? { kind: 'and', parts: said } : said[0]
}
