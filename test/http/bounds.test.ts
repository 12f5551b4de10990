import { describe, expect, test } from 'vitest'
import type { ProblemCode } from '../../shared/problem/index.ts'
import { allScopes, tenantScopes } from '../../shared/tenant/index.ts'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { kib, list } from './bad-input.ts'
import { expectNothingWritten, expectProblem, nested, systemKey } from './checks.ts'

/** Where a bound is, what it takes, what lies just beyond, and how that is refused. Bounds of a new memory's fields stand in bad-input.ts. */
type Bound = readonly [name: string, path: string, good: unknown, bad: unknown, pointer?: string, code?: ProblemCode]

const store = '/v1/memories'
const bulk = '/v1/memories/bulk'
const listing = '/v1/memories/list'
const forget = '/v1/memories/forget'
const recall = '/v1/recall'
const message = (more: object) => ({ messages: [{ role: 'user', content: 'x', ...more }] })
const keyed = (idempotency_key: string) => ({ items: [{ text: 'x', idempotency_key }] })
/** A JSON text of exactly this many bytes: spaces count. */
const padded = (body: unknown, bytes: number) => JSON.stringify(body).padEnd(bytes)
const deep = (levels: number) => ({ text: 'x', payload: nested(levels) })
const nots = (levels: number): unknown => (levels === 1 ? { text: 'x' } : { NOT: nots(levels - 1) })
const ors = (leaves: number) => ({ OR: Array.from({ length: leaves }, (_, i) => ({ user_id: `u${i}` })) })
const spaced = (characters: number) => `1,${' '.repeat(characters - 3)}2`

const writing: Bound[] = [
  ['the alias memory: 64 KiB', store, { memory: 'x'.repeat(64 * kib) }, { memory: 'x'.repeat(64 * kib + 1) }, '/memory'],
  ['JSON 64 deep', store, deep(63), deep(64)],
  ['a role of 64 characters', store, message({ role: 'r'.repeat(64) }), message({ role: 'r'.repeat(65) }), '/messages/0/role'],
  ['a role of one character', store, message({ role: 'r' }), message({ role: '' }), '/messages/0/role'],
  ["a message's name of 256 characters", store, message({ name: 'n'.repeat(256) }), message({ name: 'n'.repeat(257) }), '/messages/0/name'],
  ["a message's name of one character", store, message({ name: 'n' }), message({ name: '' }), '/messages/0/name'],
  ['one message', store, message({}), { messages: [] }, '/messages'],
  ['a coord of 4,096 characters with its spaces', store, { text: 'x', coord: spaced(4096) }, { text: 'x', coord: spaced(4097) }, '/coord'],
  ['a language of two letters', store, { text: 'x', language: 'en' }, { text: 'x', language: 'e' }, '/language'],
  ['a speaker of one character', store, { text: 'x', speaker: 's' }, { text: 'x', speaker: '' }, '/speaker'],
  ['an id of one character', store, { text: 'x', user_id: 'u' }, { text: 'x', user_id: '' }, '/user_id'],
  ...['agent_id', 'app_id', 'run_id', 'session_id'].map(
    (name): Bound => [`${name} of 256 characters`, store, { text: 'x', [name]: '字'.repeat(256) }, { text: 'x', [name]: 'x'.repeat(257) }, `/${name}`],
  ),
  [
    'a validity of one millisecond',
    store,
    { text: 'x', valid_from: '2026-01-01T00:00:00.000Z', valid_to: '2026-01-01T00:00:00.001Z' },
    { text: 'x', valid_from: '2026-01-01T00:00:00.000Z', valid_to: '2026-01-01T00:00:00.000Z' },
    '/valid_to',
  ],
  ['a bulk of one item', bulk, { items: [{ text: 'x' }] }, { items: [] }, '/items'],
  ['an idempotency_key of 255 characters', bulk, keyed('k'.repeat(255)), keyed('k'.repeat(256)), '/items/0/idempotency_key'],
  ['an idempotency_key of one character', bulk, keyed('k'), keyed(''), '/items/0/idempotency_key'],
  ["the guides' bulk of 500 items", '/store_bulk', { items: list(500, { coord: '1', payload: {} }) }, { items: list(501, { coord: '1', payload: {} }) }, '/items'],
  ["the guides' bulk of one item", '/store_bulk', { items: [{ coord: '1', payload: { a: 'b' } }] }, { items: [] }, '/items'],
  ["the guides' payload of 256 KiB", '/store', { coord: '1', payload: { p: 'x'.repeat(256 * kib - 8) } }, { coord: '1', payload: { p: 'x'.repeat(256 * kib - 7) } }, '/payload'],
  ['a body of 5 MiB', store, padded({ text: 'x' }, 5 * kib * kib), padded({ text: 'x' }, 5 * kib * kib + 1), undefined, 'too_large'],
]

const reading: Bound[] = [
  ...[listing, recall, '/recall', forget].map(
    (path): Bound => [`the body of ${path}: 1 MiB`, path, padded(bodyOf(path, {}), kib * kib), padded(bodyOf(path, {}), kib * kib + 1), undefined, 'too_large'],
  ),
  ...[listing, recall, '/recall', forget].flatMap((path): Bound[] => [
    [`${path}: a filter 8 deep`, path, bodyOf(path, { filters: nots(8) }), bodyOf(path, { filters: nots(9) }), `/filters${'/NOT'.repeat(8)}`],
    [`${path}: 64 conditions`, path, bodyOf(path, { filters: ors(64) }), bodyOf(path, { filters: ors(65) }), '/filters/OR/64/user_id'],
  ]),
  ['a list of one', listing, { limit: 1 }, { limit: 0 }, '/limit'],
  ['a list of 500', listing, { limit: 500 }, { limit: 501 }, '/limit'],
  ['a query of 65,536 characters', recall, { query: 'x'.repeat(64 * kib) }, { query: 'x'.repeat(64 * kib + 1) }, '/query'],
  ['a query of one character', recall, { query: 'x' }, { query: '' }, '/query'],
  ['top_k 1', recall, { query: 'x', top_k: 1 }, { query: 'x', top_k: 0 }, '/top_k'],
  ['top_k 100', recall, { query: 'x', top_k: 100 }, { query: 'x', top_k: 101 }, '/top_k'],
  ["the guides' top_k 1", '/recall', { query: 'x', top_k: 1 }, { query: 'x', top_k: 0 }, '/top_k'],
  ["the guides' top_k 100", '/recall', { query: 'x', top_k: 100 }, { query: 'x', top_k: 101 }, '/top_k'],
  ['a threshold of 0', recall, { query: 'x', threshold: 0 }, { query: 'x', threshold: -0.001 }, '/threshold'],
  ['a threshold of 1', recall, { query: 'x', threshold: 1 }, { query: 'x', threshold: 1.001 }, '/threshold'],
  ['one token', recall, { query: 'x', max_tokens: 1 }, { query: 'x', max_tokens: 0 }, '/max_tokens'],
  ['a million tokens', recall, { query: 'x', max_tokens: 1_000_000 }, { query: 'x', max_tokens: 1_000_001 }, '/max_tokens'],
  ['a weight of 0', recall, { query: 'x', weights: { recency: 0 } }, { query: 'x', weights: { recency: -0.001 } }, '/weights/recency'],
  ['a weight of 1', recall, { query: 'x', weights: { importance: 1 } }, { query: 'x', weights: { importance: 1.001 } }, '/weights/importance'],
  ['three memory types', recall, { query: 'x', memory_types: ['episodic', 'semantic', 'procedural'] }, { query: 'x', memory_types: Array(4).fill('episodic') }, '/memory_types'],
  ['one memory type', recall, { query: 'x', memory_types: ['semantic'] }, { query: 'x', memory_types: [] }, '/memory_types'],
  ['a namespace of 256 characters to read', recall, { query: 'x', namespace: '字'.repeat(256) }, { query: 'x', namespace: 'n'.repeat(257) }, '/namespace'],
  ['an id of 256 characters to read', listing, { user_id: '字'.repeat(256) }, { user_id: 'u'.repeat(257) }, '/user_id'],
]

/** So many scopes that a tenant's key may have; some of them twice. */
const sized = (length: number) => [...tenantScopes, ...tenantScopes].slice(0, length)
const administering: Bound[] = [
  ['a key name of 120 characters', '/v1/keys', { name: 'n'.repeat(120) }, { name: 'n'.repeat(121) }, '/name'],
  ['one scope', '/v1/keys', { scopes: ['memory:read'] }, { scopes: [] }, '/scopes'],
  ['as many scopes as there are', '/v1/keys', { scopes: sized(allScopes.length) }, { scopes: sized(allScopes.length + 1) }, '/scopes'],
  ['a key that ends after now', '/v1/keys', { expires_at: '9999-12-31T23:59:59Z' }, { expires_at: '2020-01-01T00:00:00Z' }, '/expires_at'],
  ['the body of a key: 64 KiB', '/v1/keys', padded({ name: 'x' }, 64 * kib), padded({ name: 'x' }, 64 * kib + 1), undefined, 'too_large'],
]
const tenants: Bound[] = [
  ['a tenant name of 63 characters', '/v1/tenants', { name: 't'.repeat(63) }, { name: 't'.repeat(64) }, '/name'],
  ['a tenant name of one character', '/v1/tenants', { name: 't' }, { name: '' }, '/name'],
]

/** The least that a path takes, and more beside it. */
function bodyOf(path: string, more: object): object {
  return { ...(path === listing ? {} : path === forget ? { user_id: 'u' } : { query: 'x' }), ...more }
}

describeEngines('both sides of each bound', (product) => {
  const post = (caller: Caller, path: string, body: unknown, headers?: Record<string, string>) => product().call(caller, 'POST', path, body, headers)

  async function holds(caller: Caller, [, path, good, bad, pointer, code = 'invalid']: Bound): Promise<void> {
    const taken = await post(caller, path, good)
    expect(taken.status, taken.text.slice(0, 300)).toBeLessThan(300)
    let refused: Answer | undefined
    await expectNothingWritten(product(), async () => {
      refused = await post(caller, path, bad)
    })
    expectProblem(refused as Answer, code, pointer)
  }

  describe.each([
    ['what is written', writing],
    ['what is asked', reading],
    ['keys', administering],
  ] as const)('of %s', (_name, bounds) => {
    test.each(bounds)('%s', async (...bound) => holds(await product().tenant(), bound as unknown as Bound))
  })
  test.each(tenants)('of tenants: %s', async (...bound) => holds(await systemKey(product()), bound as unknown as Bound))

  test('a page of 1,000 characters is no cursor, and one more is not even looked at', async () => {
    const ada = await product().tenant()
    for (const length of [1000, 1001]) expectProblem(await post(ada, listing, { cursor: 'x'.repeat(length) }), 'invalid', '/cursor')
  })

  test('an X-Request-Id of 1 to 128 characters comes back, a longer one does not', async () => {
    const ask = async (id: string) => (await product().call(null, 'GET', '/healthz', undefined, { 'x-request-id': id })).headers.get('x-request-id')
    for (const id of ['x', 'x'.repeat(128)]) expect(await ask(id)).toBe(id)
    expect(await ask('x'.repeat(129))).not.toContain('xx')
  })

  test('If-Match takes up to nine digits', async () => {
    const ada = await product().tenant()
    const { body } = await post(ada, store, { text: 'x' })
    const patch = (header: string) => product().call(ada, 'PATCH', `/v1/memories/${body.id}`, { importance: 2 }, { 'if-match': header })
    expectProblem(await patch('9'.repeat(9)), 'precondition_failed')
    expectProblem(await patch('9'.repeat(10)), 'invalid')
  })

  test("top_k in the guides' query string is a whole number from 1 to 100", async () => {
    const ada = await product().tenant()
    const ask = (topK: string) => product().call(ada, 'GET', `/recall?query=x&top_k=${topK}`)
    for (const topK of ['1', '100', '007']) expect((await ask(topK)).status).toBe(200)
    for (const topK of ['0', '101', '1e1', '0x10', '%205', '+5', '5.0', '-1', '']) expectProblem(await ask(topK), 'invalid', '/top_k')
  })
})
