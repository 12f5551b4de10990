import type { Operator } from './fields.ts'
import type { Filter, Leaf } from './parse.ts'

/** Collects a statement's values; `add` answers the placeholder with its cast. */
export type Params = { values: unknown[]; add(value: unknown, cast: string): string }
export function params(initial: unknown[] = []): Params {
  const values = [...initial]
  return { values, add: (value, cast) => `$${values.push(value)}::${cast}` }
}

const comparison: Partial<Record<Operator, string>> = { gt: '>', gte: '>=', lt: '<', lte: '<=' }

/**
 * A boolean expression over memories as `m`. Every leaf is true or false, never null, so that NOT means what it says: `ne` and `nin` hold
 * where the field is absent. LIKE is not used: what is written is text. With `past`, m may be a closed version, whose words stand elsewhere.
 */
export function compileFilter(filter: Filter, p: Params, past = false): string {
  if (filter.kind === 'not') return `not (${compileFilter(filter.part, p, past)})`
  if (filter.kind !== 'leaf') return `(${filter.parts.map((part) => compileFilter(part, p, past)).join(filter.kind === 'and' ? ' and ' : ' or ')})`
  if (filter.op === 'ne') return `not ${leaf({ ...filter, op: 'eq' }, p, past)}`
  if (filter.op === 'nin') return `not ${leaf({ ...filter, op: 'in' }, p, past)}`
  return leaf(filter, p, past)
}

function leaf(node: Leaf, p: Params, past: boolean): string {
  const expression = { text: column, number: column, time: column, uuid: column, state, tags, json }[node.field.kind](node, p, past)
  return node.field.nullable ? `coalesce(${expression}, false)` : `(${expression})`
}

const casts = { text: 'text', number: 'double precision', time: 'timestamptz', uuid: 'uuid', state: 'text', tags: 'text', json: 'jsonb' } as const

/** Times go to the database in UTC: it refuses offsets beyond 16 hours that RFC 3339 allows. */
function utc(value: unknown): unknown {
  return Array.isArray(value) ? value.map(utc) : typeof value === 'string' ? new Date(value).toISOString() : value
}

function column({ field, op, value: operand }: Leaf, p: Params): string {
  const value = field.kind === 'time' ? utc(operand) : operand
  const target = `m.${field.column}`
  const cast = casts[field.kind]
  if (op === 'exists') return `${target} is ${value ? 'not ' : ''}null`
  if (op === 'eq') return value === null ? `${target} is null` : `${target} = ${p.add(value, cast)}`
  if (op === 'in') return `${target} = any (${p.add(value, `${cast}[]`)})`
  if (op === 'contains') return `strpos(${target}, ${p.add(value, 'text')}) > 0`
  if (op === 'icontains') return `strpos(lower(${target}), lower(${p.add(value, 'text')})) > 0`
  // texts compare by code point, whatever the database's collation is
  const collation = field.kind === 'text' ? ' collate "C"' : ''
  return `${target}${collation} ${comparison[op]} ${p.add(value, cast)}${collation}`
}

function state({ op, value }: Leaf, p: Params): string {
  const states = op === 'in' ? (value as string[]) : [value as string]
  const pending = 'exists (select from vector_pending q where q.tenant_id = m.tenant_id and q.memory_key = m.memory_key and q.version = m.version)'
  if (states.includes('pending') === states.includes('indexed')) return p.add(states.includes('pending'), 'boolean')
  return states.includes('pending') ? pending : `not ${pending}`
}

/** A tag is looked up where the words are: `#tag` in the postings has a btree that row-level security lets the planner use. */
function tags({ op, value }: Leaf, p: Params, past: boolean): string {
  if (op === 'exists') return `(cardinality(m.tags) > 0) = ${p.add(value, 'boolean')}`
  if (op === 'eq') return value === null ? 'cardinality(m.tags) = 0' : `m.tags = ${p.add(value, 'text[]')}`
  if (op === 'icontains') return `exists (select from unnest(m.tags) t where lower(t) = lower(${p.add(value, 'text')}))`
  const named = op === 'in' ? value : [value]
  if (past) return `exists (select from unnest(m.tags) t where t = any (${p.add(named, 'text[]')}))`
  const wanted = (named as string[]).map((tag) => `#${tag}`)
  // exists, not in: PostgreSQL 16 makes no join of a correlated `in` and would read all postings of the tag again for each row
  return `exists (select from postings t where t.tenant_id = m.tenant_id and t.namespace_key = m.namespace_key and t.memory_key = m.memory_key and t.term = any (${p.add(wanted, 'text[]')}))`
}

function json({ field, op, value }: Leaf, p: Params): string {
  const path = p.add(field.path, 'text[]')
  const target = `(m.${field.column} #> ${path})`
  const plain = `(m.${field.column} #>> ${path})`
  if (op === 'exists') return value ? `${plain} is not null` : `${plain} is null`
  if (op === 'eq') return value === null ? `${plain} is null` : `${target} = ${p.add(JSON.stringify(value), 'jsonb')}`
  if (op === 'in')
    return `${target} = any (${p.add(
      (value as unknown[]).map((one) => JSON.stringify(one)),
      'jsonb[]',
    )})`
  if (op === 'icontains') {
    const text = `lower(${p.add(value, 'text')})`
    const member = `exists (select from jsonb_array_elements(${target}) e where jsonb_typeof(e) = 'string' and lower(e #>> '{}') = ${text})`
    return `case jsonb_typeof(${target}) when 'array' then ${member} when 'string' then strpos(lower(${plain}), ${text}) > 0 else false end`
  }
  if (op === 'contains') {
    const member = `when 'array' then ${target} @> ${p.add(JSON.stringify([value]), 'jsonb')}`
    const substring = typeof value === 'string' ? ` when 'string' then strpos(${plain}, ${p.add(value, 'text')}) > 0` : ''
    return `case jsonb_typeof(${target}) ${member}${substring} else false end`
  }
  if (typeof value === 'number') return `case jsonb_typeof(${target}) when 'number' then ${plain}::numeric ${comparison[op]} ${p.add(value, 'numeric')} else false end`
  return `case jsonb_typeof(${target}) when 'string' then ${plain} collate "C" ${comparison[op]} ${p.add(value, 'text')} collate "C" else false end`
}
