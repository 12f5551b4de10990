import fc from 'fast-check'

// few values, so that what is stored and what is asked for meet often; some that a careless translation would take for a pattern or a number
const word = fc.constantFrom('a', 'A', 'b', 'ab', 'É', 'é', '%', 'a%', '_', '\\', "'", '"', '1', 'true', 'null', '😀', 'zz', ' ')
const number = fc.constantFrom(0, 1, -1, 0.1, 2.5, 5, 10, 1e21, 1e-7)
const importance = fc.constantFrom(0, 0.1, 1, 2.5, 3.3, 10)
const time = fc.constantFrom('2020-01-01T00:00:00.000Z', '2021-06-15T12:30:00.123Z', '2021-06-15T14:30:00.123+02:00', '2022-02-02')
const scalar = fc.oneof(word, number, fc.boolean())
const json = fc.oneof(scalar, fc.constant(null), fc.array(fc.oneof(scalar, fc.constant(null), fc.constant(['a']), fc.constant({ a: 1 })), { maxLength: 3 }), fc.constant({}))
const object = fc.dictionary(fc.constantFrom('k', 'l', 'k k'), fc.oneof(json, fc.dictionary(fc.constantFrom('k', 'm'), json, { maxKeys: 2 })), { maxKeys: 3 })
const tags = fc.array(word, { maxLength: 3 })
const type = fc.constantFrom('episodic', 'semantic', 'procedural')
const language = fc.constantFrom('en', 'de', 'fr')

/** A memory as it is stored, without its scope. */
export const memory = fc.record(
  {
    text: fc.tuple(word, word).map(([a, b]) => `x ${a}${b}`),
    memory_type: type,
    agent_id: word,
    session_id: word,
    speaker: word,
    language,
    importance,
    occurred_at: time,
    valid_from: time,
    tags,
    metadata: object,
    payload: object,
  },
  { requiredKeys: ['text'] },
)

/** One condition of a field: `{op: operand}`, in either spelling, or a bare value for equality. */
function condition(operators: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  const spelled = Object.entries(operators).map(([op, operand]) => fc.tuple(operand, fc.boolean()).map(([value, dollar]) => ({ [dollar ? `$${op}` : op]: value })))
  return fc.oneof(...spelled, operators.eq ?? fc.constant(null))
}
const list = (value: fc.Arbitrary<unknown>) => fc.array(value, { maxLength: 3 })
const equality = (value: fc.Arbitrary<unknown>) => ({
  eq: fc.oneof(value, fc.constant(null)),
  ne: fc.oneof(value, fc.constant(null)),
  in: list(value),
  nin: list(value),
  exists: fc.boolean(),
})
const order = (value: fc.Arbitrary<unknown>) => ({ gt: value, gte: value, lt: value, lte: value })
const substring = { contains: word, icontains: word }
const texts = (value: fc.Arbitrary<string>) => condition({ ...equality(value), ...order(value), ...substring })
const path = fc.tuple(fc.constantFrom('metadata', 'payload'), fc.constantFrom('k', 'l', 'k k', 'k.k', 'k.m', 'l.m', 'none')).map((steps) => steps.join('.'))
const leaf = fc.oneof(
  fc.tuple(fc.constantFrom('text', 'speaker', 'agent_id', 'session_id', 'coord'), texts(word)),
  fc.tuple(fc.constant('memory_type'), texts(type)),
  fc.tuple(fc.constant('language'), texts(language)),
  fc.tuple(fc.constantFrom('importance', 'version'), condition({ ...equality(fc.oneof(importance, number)), ...order(fc.oneof(importance, number)) })),
  fc.tuple(fc.constantFrom('occurred_at', 'valid_from', 'valid_to', 'created_at', 'expires_at'), condition({ ...equality(time), ...order(time) })),
  fc.tuple(fc.constant('tags'), condition({ ...equality(word), ...substring, eq: fc.oneof(tags, fc.constant(null)), ne: fc.oneof(tags, fc.constant(null)) })),
  fc.tuple(path, condition({ ...equality(scalar), ...order(fc.oneof(word, number)), contains: scalar, icontains: word })),
)
const leaves = fc.uniqueArray(leaf, { minLength: 1, maxLength: 3, selector: ([name]) => name }).map((entries) => Object.fromEntries(entries))
/** Any filter of the grammar. */
export const filter = fc.letrec<{ node: Record<string, unknown> }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    leaves,
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((parts) => ({ AND: parts })),
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((parts) => ({ OR: parts })),
    tie('node').map((part) => ({ NOT: part })),
  ),
})).node
