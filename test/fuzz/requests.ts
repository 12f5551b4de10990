import fc from 'fast-check'
import type { Operation } from '../../shared/http/index.ts'
import { described } from '../support/document.ts'
import { valuesOf } from './values.ts'

/** A request as it is sent. `as` is whose credential it carries; `{own}`, `{other}` … in the path are filled in by who sends it. */
export type FuzzRequest = { as: 'own' | 'reader' | 'platform' | 'nobody'; path: string; search: string; headers: Record<string, string>; body?: string | Uint8Array }

const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) })
const strange = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -0, -1, 1.5, 1e308, 5e-324, 2 ** 53, 2 ** 31, '', ' ', 'x', '\0', '\ud83d', 'a\udc00', [], {}, [[]], [null], '1e3', 'NaN', '0x10'),
  fc.constantFrom<unknown>('x'.repeat(257), 'x'.repeat(65_537), nested(7), nested(63), nested(500), Array(501).fill('x'), { eq: 'x' }, { $ne: null }, "'; drop table memories; --"),
  fc.jsonValue(),
)
const names = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'tenant_id', 'id', 'toString', 'a/b~c', '', 'TEXT', 'memory_key'), fc.string({ unit: 'binary', maxLength: 9 }))

/** Changes one place of a value: another type, a field more, a field less, a list too long. */
function change(value: unknown, at: number, how: number, other: unknown, name: string): unknown {
  const places: (string | number)[][] = []
  const visit = (node: unknown, path: (string | number)[]): void => {
    places.push(path)
    if (typeof node === 'object' && node !== null) for (const [key, inner] of Object.entries(node)) visit(inner, [...path, Array.isArray(node) ? Number(key) : key])
  }
  visit(value, [])
  const path = places[at % places.length] as (string | number)[]
  const rebuild = (node: unknown, [step, ...rest]: (string | number)[]): unknown => {
    if (step === undefined) {
      if (how === 0) return other
      if (Array.isArray(node)) return how === 1 ? [...node, other] : Array(501).fill(node[0] ?? other)
      if (typeof node === 'object' && node !== null)
        return how === 1 ? { ...node, ...JSON.parse(`{${JSON.stringify(name)}:1}`) } : Object.fromEntries(Object.entries(node).slice(1))
      return how === 1 ? [node] : other
    }
    if (Array.isArray(node)) return node.map((inner, i) => (i === step ? rebuild(inner, rest) : inner))
    return Object.fromEntries(Object.entries(node as object).map(([key, inner]) => [key, key === step ? rebuild(inner, rest) : inner]))
  }
  return rebuild(value, path)
}

function bodiesOf(operation: Operation): fc.Arbitrary<{ body?: string | Uint8Array; type?: string }> {
  const [type, content] = Object.entries<{ schema: unknown }>(described(operation).requestBody?.content ?? {})[0] ?? []
  // a fetch with GET has no body; what a DELETE brings along is not read
  if (type === undefined || !content) return operation.method === 'GET' ? fc.constant({}) : fc.constantFrom({}, {}, { body: '{"a":1}', type: 'application/json' })
  const sent = (body: string | Uint8Array, as = type) => ({ body, type: as })
  // half of them beside what the example says, which is enough for an operation to succeed; where a body is lines, lines like the example's
  const lines = operation.bodyType === undefined ? undefined : String(operation.example).trim().split('\n')
  const object = lines
    ? fc.constantFrom(...lines.map((line) => JSON.parse(line) as unknown))
    : fc.tuple(valuesOf(content.schema), fc.boolean()).map(([value, beside]) => (beside ? { ...(value as object), ...(operation.example as object) } : value))
  const text = (value: unknown) => `${JSON.stringify(value)}${lines ? '\n' : ''}`
  const valid = object.map(text)
  const near = fc.tuple(object, fc.nat(), fc.nat(2), strange, names).map(([value, ...how]) => text(change(value, ...how)))
  const types = fc.constantFrom(
    'text/plain',
    'application/x-www-form-urlencoded',
    '',
    'application/json; charset=latin1',
    'APPLICATION/JSON',
    'multipart/form-data; boundary=x',
    'application/jsonp',
  )
  return fc.oneof(
    { weight: 6, arbitrary: valid.map((body) => sent(body)) },
    { weight: 6, arbitrary: near.map((body) => sent(body)) },
    { weight: 1, arbitrary: fc.tuple(valid, types).map(([body, other]) => sent(body, other)) },
    { weight: 1, arbitrary: fc.tuple(valid, fc.double({ min: 0, max: 1, noNaN: true })).map(([body, part]) => sent(body.slice(0, Math.floor(body.length * part)))) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((body) => sent(body)) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom('1e999', '{"a":1e999}', '[', '"', '{"text":"x","text":"y"}', 'null', '\ufeff{}', `${'['.repeat(5000)}${']'.repeat(5000)}`)
        .map((body) => sent(body)),
    },
  )
}

const latin = fc.string({
  unit: fc
    .integer({ min: 0x21, max: 0xff })
    .filter((code) => code < 0x7f || code > 0xa0)
    .map((code) => String.fromCharCode(code)),
  maxLength: 40,
})
const optionalHeaders = {
  'idempotency-key': fc.oneof(fc.constantFrom('', 'k', 'k1', 'k'.repeat(255), 'k'.repeat(256)), latin),
  'if-match': fc.oneof(fc.constantFrom('"1"', '1', '*', '"0"', '"999999999"', '"1","2"', 'W/"1"'), latin),
  'x-request-id': fc.oneof(fc.constantFrom('job-7', 'x'.repeat(129)), latin),
  'x-tenant-id': fc.oneof(fc.constantFrom('{tenant}', '{tenant}', 'default', 'system'), latin),
  traceparent: fc.oneof(fc.constantFrom('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '00-x'), latin),
  accept: latin,
  'x-oversized': fc.constant('x'.repeat(20_000)),
  authorization: fc.constantFrom('Bearer', 'Basic eDp5', 'Bearer a b', `Bearer soma_local_1-${'0'.repeat(12)}_${'0'.repeat(64)}`),
}
const headers = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  // one of them: a wrong credential or tenant would hide what the others do
  { weight: 2, arbitrary: fc.oneof(...Object.entries(optionalHeaders).map(([name, value]) => (value as fc.Arbitrary<string>).map((one) => ({ [name]: one })))) },
)

const pathValues = fc.oneof(
  { weight: 6, arbitrary: fc.constant('{own}') },
  { weight: 2, arbitrary: fc.constant('{other}') },
  { weight: 1, arbitrary: fc.uuid() },
  { weight: 1, arbitrary: fc.constantFrom('%00', '%zz', '%2F', '..%2f', '*', 'null', '__proto__', "'%20or%201=1", 'x'.repeat(5000), '%F0%9F%8D%B5', '%ff') },
)

function searchesOf(operation: Operation): fc.Arbitrary<string> {
  const declared: { name: string; required?: true; schema: unknown }[] = described(operation).parameters.filter((one: { in?: string }) => one.in === 'query')
  const junk = fc.oneof(
    fc.constantFrom('?', '?&&', '?=', '?a=1', '?a=%zz', '?%00=1', '?cursor=x&cursor=y', '?user_id=ada'),
    fc.webQueryParameters().map((text) => `?${text}`),
  )
  if (!declared.length) return fc.oneof({ weight: 8, arbitrary: fc.constant('') }, { weight: 1, arbitrary: junk })
  const value = (schema: unknown) =>
    fc.oneof(
      { weight: 5, arbitrary: valuesOf(schema).map(String) },
      { weight: 1, arbitrary: fc.constantFrom('', '0', '-1', '1e1', '0x10', ' 5', '99999999999999999999', '\0', 'null') },
    )
  const fitting = fc
    .record(Object.fromEntries(declared.map(({ name, schema }) => [name, value(schema)])), { requiredKeys: declared.filter((one) => one.required).map((one) => one.name) })
    .map((given) => `?${new URLSearchParams(given as Record<string, string>)}`)
  return fc.oneof({ weight: 6, arbitrary: fitting }, { weight: 1, arbitrary: fc.constant('') }, { weight: 1, arbitrary: junk })
}

/** Requests to an operation: as its schema says, nearly so, and far from it. */
export function requestsOf(operation: Operation): fc.Arbitrary<FuzzRequest> {
  const right = operation.scope?.startsWith('platform:') ? 'platform' : 'own'
  const as = fc.oneof(
    { weight: 20, arbitrary: fc.constant(right as FuzzRequest['as']) },
    { weight: 1, arbitrary: fc.constantFrom<FuzzRequest['as']>('reader', 'platform', 'nobody') },
  )
  return fc.tuple(as, pathValues, searchesOf(operation), headers, bodiesOf(operation)).map(([who, id, search, more, { body, type }]) => ({
    as: who,
    path: operation.path.replaceAll(/:\w+/g, id),
    search,
    headers: { ...(type === undefined ? {} : { 'content-type': type }), ...more },
    ...(body === undefined ? {} : { body }),
  }))
}
