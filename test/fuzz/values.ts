import fc from 'fast-check'
import { document } from '../support/document.ts'

// biome-ignore lint/suspicious/noExplicitAny: a JSON Schema is walked by names
type Schema = any

const words = fc.array(fc.constantFrom('tea', 'Ada', 'the', 'river', 'naïve', '字', 'مرحبا', '🍵', 'e\u0301', '%', "o'clock", '--', '\u202e', '#tag', '\\'), {
  minLength: 1,
  maxLength: 8,
})
const text = fc.oneof(
  { weight: 4, arbitrary: words.map((list) => list.join(' ')) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
)
const time = fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true }).map((at) => at.toISOString())
const json = fc.jsonValue({ maxDepth: 4 })
const anyObject = fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 12 }), json, { maxKeys: 5 })
const numbers = fc.array(fc.oneof(fc.integer({ min: -9, max: 9 }), fc.double({ noNaN: true, noDefaultInfinity: true })), { minLength: 1, maxLength: 5 })
const coord = numbers.map((list) => list.join(','))

const field = fc.constantFrom(
  'text',
  'tags',
  'user_id',
  'importance',
  'version',
  'created_at',
  'id',
  'index_state',
  'metadata.a',
  'payload.a.b',
  'memory_type',
  'coord',
  'nothing',
  'metadata',
)
const operator = fc.constantFrom('eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'contains', 'icontains', 'exists', '$eq', 'like')
const operand = fc.oneof(
  text,
  time,
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(text, { maxLength: 3 }),
  fc.uuid(),
  fc.constantFrom('pending', 'semantic'),
)
/** Fields with operators and operands that suit them, so that filters also reach the database. */
const suited = fc.oneof(
  fc.tuple(fc.constantFrom('text', 'user_id', 'coord', 'metadata.a'), fc.constantFrom('eq', 'ne', 'gt', 'lte', 'contains', 'icontains'), text),
  fc.tuple(fc.constantFrom('importance', 'version', 'payload.a.b'), fc.constantFrom('eq', 'ne', 'gt', 'gte', 'lt', 'lte'), fc.double({ noNaN: true, noDefaultInfinity: true })),
  fc.tuple(fc.constantFrom('created_at', 'updated_at', 'occurred_at', 'valid_to'), fc.constantFrom('eq', 'gt', 'lt', '$gte'), time),
  fc.tuple(fc.constantFrom('tags', 'user_id', 'memory_type', 'metadata.a'), fc.constantFrom('in', 'nin', '$in'), fc.array(text, { maxLength: 4 })),
  fc.tuple(fc.constantFrom('tags', 'id', 'expires_at', 'metadata.a.b', 'payload.x'), fc.constant('exists'), fc.boolean()),
  fc.tuple(fc.constantFrom('id', 'supersedes'), fc.constantFrom('eq', 'ne'), fc.oneof(fc.uuid(), fc.constant(null))),
)
const leaf = fc.oneof(
  { weight: 1, arbitrary: fc.tuple(field, operand).map(([name, value]) => ({ [name]: value })) },
  { weight: 1, arbitrary: fc.tuple(field, operator, operand).map(([name, op, value]) => ({ [name]: { [op]: value } })) },
  { weight: 12, arbitrary: suited.map(([name, op, value]) => ({ [name]: { [op]: value } })) },
)
const { node: filter } = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 9, withCrossShrink: true },
    leaf,
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((parts) => ({ AND: parts })),
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((parts) => ({ OR: parts })),
    tie('node').map((part) => ({ NOT: part })),
  ),
}))

/** Fields whose values have a grammar of their own, which no schema says. */
const grammars: Record<string, fc.Arbitrary<unknown>> = { filters: filter, coord }

/** Values of a schema: its bounds as often as what lies between them. */
export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.$ref)
    return valuesOf(
      (schema.$ref as string)
        .slice(2)
        .split('/')
        .reduce((at: Schema, step: string) => at[step], document),
    )
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(valuesOf))
  if (schema.type === 'string') return stringsOf(schema)
  if (schema.type === 'integer') return numbersOf(schema, fc.integer({ min: schema.minimum ?? -5, max: Math.min(schema.maximum ?? 100, 2 ** 31 - 1) }))
  if (schema.type === 'number') return numbersOf(schema, fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true }))
  if (schema.type === 'boolean') return fc.boolean()
  if (schema.type === 'null') return fc.constant(null)
  if (schema.type === 'array')
    return fc.array(valuesOf(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: Math.max(schema.minItems ?? 0, Math.min(schema.maxItems ?? 4, 4)) })
  if (schema.type === 'object' && schema.properties) return objectsOf(schema)
  if (schema.type === 'object') return anyObject
  return json
}

function numbersOf({ minimum, maximum }: Schema, between: fc.Arbitrary<number>): fc.Arbitrary<number> {
  const bounds = [minimum, maximum].filter((bound) => bound !== undefined)
  return bounds.length ? fc.oneof({ weight: 3, arbitrary: between }, { weight: 1, arbitrary: fc.constantFrom(...bounds) }) : between
}

function stringsOf({ minLength = 0, maxLength, pattern, format }: Schema): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.uuid()
  if (format === 'date-time') return time
  if (pattern)
    return pattern.includes('T')
      ? fc.oneof({ weight: 9, arbitrary: time }, { weight: 1, arbitrary: fc.stringMatching(new RegExp(pattern)) })
      : fc.stringMatching(new RegExp(pattern))
  const fitting = text.filter((one) => one.length >= minLength && one.length <= (maxLength ?? Number.POSITIVE_INFINITY))
  return maxLength === undefined ? fitting : fc.oneof({ weight: 12, arbitrary: fitting }, { weight: 1, arbitrary: fc.constant('x'.repeat(maxLength)) })
}

/** What is needed, and a few of the rest: all fields at once would break some rule between them nearly always. */
function objectsOf({ properties, required = [] }: Schema): fc.Arbitrary<Record<string, unknown>> {
  const optional = Object.keys(properties).filter((name) => !required.includes(name))
  return fc
    .subarray(optional, { maxLength: Math.min(4, optional.length) })
    .chain((chosen) => fc.record(Object.fromEntries([...required, ...chosen].map((name: string) => [name, grammars[name] ?? valuesOf(properties[name])]))))
}
