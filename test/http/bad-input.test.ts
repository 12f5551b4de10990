import { expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { expectNothingWritten, expectProblem, nested } from './checks.ts'

const kib = 1024
const list = (n: number, one: unknown = 'x') => Array.from({ length: n }, (_, i) => (typeof one === 'string' ? `${one}${i}` : one))
/** A memory of exactly this many bytes as JSON, defaults included. */
const ofBytes = (bytes: number) => {
  const memory = (content: string) => ({ messages: [{ role: 'user', content }], namespace: 'default' })
  return memory('x'.repeat(bytes - JSON.stringify(memory('')).length))
}
const fifteen = (n: number) => Array.from({ length: n }, () => '123456789012345').join(',')

/** What a bound takes, what lies just beyond it, and the field that the problem names. */
const bounds: [string, Record<string, unknown>, Record<string, unknown>, string][] = [
  ['a text of 64 KiB', { text: 'x'.repeat(64 * kib) }, { text: 'x'.repeat(64 * kib + 1) }, '/text'],
  ['a text of 64 KiB in UTF-8', { text: 'é'.repeat(32 * kib) }, { text: `${'é'.repeat(32 * kib)}x` }, '/text'],
  ['content of 64 KiB', { content: 'x'.repeat(64 * kib) }, { content: 'x'.repeat(64 * kib + 1) }, '/content'],
  ['a payload of 256 KiB', { payload: { p: 'x'.repeat(256 * kib - 8) } }, { payload: { p: 'x'.repeat(256 * kib - 7) } }, '/payload'],
  ['metadata of 16 KiB', { text: 'x', metadata: { p: 'x'.repeat(16 * kib - 8) } }, { text: 'x', metadata: { p: 'x'.repeat(16 * kib - 7) } }, '/metadata'],
  ['metadata 6 deep', { text: 'x', metadata: nested(6) }, { text: 'x', metadata: nested(7) }, '/metadata'],
  ['a list of half a million in the metadata', { text: 'x', metadata: { a: [] } }, { text: 'x', metadata: { a: Array(500_000).fill(0) } }, '/metadata'],
  ['a memory of 700 KiB in all', ofBytes(700 * kib), ofBytes(700 * kib + 1), ''],
  ['64 tags', { text: 'x', tags: list(64) }, { text: 'x', tags: list(65) }, '/tags'],
  ['a tag of 256 characters', { text: 'x', tags: ['字'.repeat(256)] }, { text: 'x', tags: ['x'.repeat(257)] }, '/tags/0'],
  ['a tag of one character', { text: 'x', tags: ['x'] }, { text: 'x', tags: [''] }, '/tags/0'],
  ['200 messages', { messages: list(200, { role: 'user', content: 'x' }) }, { messages: list(201, { role: 'user', content: 'x' }) }, '/messages'],
  ['a message with words', { messages: [{ role: 'user', content: 'x' }] }, { messages: [{ role: 'user', content: '' }] }, '/messages/0/content'],
  ['a namespace of 256 characters', { text: 'x', namespace: '字'.repeat(256) }, { text: 'x', namespace: 'n'.repeat(257) }, '/namespace'],
  ['a namespace of one character', { text: 'x', namespace: 'n' }, { text: 'x', namespace: '' }, '/namespace'],
  ['a user id of 256 characters', { text: 'x', namespace: '界'.repeat(256), user_id: '字'.repeat(256) }, { text: 'x', user_id: 'u'.repeat(257) }, '/user_id'],
  ['a session id of 256 characters', { text: 'x', session_id: '字'.repeat(256) }, { text: 'x', session_id: '' }, '/session_id'],
  ['importance 0', { text: 'x', importance: 0 }, { text: 'x', importance: -0.01 }, '/importance'],
  ['importance 10', { text: 'x', importance: 10 }, { text: 'x', importance: 10.01 }, '/importance'],
  ['a life of one second', { text: 'x', ttl_seconds: 1 }, { text: 'x', ttl_seconds: 0 }, '/ttl_seconds'],
  ['a life of 100 years', { text: 'x', ttl_seconds: 3_153_600_000 }, { text: 'x', ttl_seconds: 3_153_600_001 }, '/ttl_seconds'],
  ['a language of 35 characters', { text: 'x', language: 'e'.repeat(35) }, { text: 'x', language: 'e'.repeat(36) }, '/language'],
  ['a speaker of 256 characters', { text: 'x', speaker: '字'.repeat(256) }, { text: 'x', speaker: 's'.repeat(257) }, '/speaker'],
  ['a coord of 64 dimensions', { text: 'x', coord: list(64, '').join(',') }, { text: 'x', coord: list(65, '').join(',') }, '/coord'],
  ['a coord of 512 characters', { text: 'x', coord: `${fifteen(31)},1234567890123456` }, { text: 'x', coord: `${fifteen(30)},1234567890123456,1234567890123456,1` }, '/coord'],
  ['the last millisecond of 9999', { text: 'x', occurred_at: '9999-12-31T23:59:59.999Z' }, { text: 'x', occurred_at: '9999-12-31T23:59:59-01:00' }, '/occurred_at'],
  ['the first day of year 1', { text: 'x', occurred_at: '0001-01-01T00:00:00Z' }, { text: 'x', occurred_at: '0001-01-01T00:00:00+01:00' }, '/occurred_at'],
  ['29 February of a leap year', { text: 'x', valid_from: '2024-02-29' }, { text: 'x', valid_from: '2023-02-29' }, '/valid_from'],
]

const badCoords = [
  '',
  ' ',
  ',',
  '1,',
  ',1',
  '1,,2',
  'a',
  '1,b',
  'NaN',
  'Infinity',
  '-Infinity',
  '1e400',
  '0x10',
  '1_000',
  '1;2',
  '1 2',
  '１',
  '∞',
  '+',
  '.',
  'e5',
  '1e',
  '[1,2]',
  "1'; drop table memories; --",
]
const badTimes = [
  '2026-02-31T00:00:00Z',
  '2026-13-01',
  '2026-00-10',
  '0000-01-01T00:00:00Z',
  '10000-01-01T00:00:00Z',
  '-0001-01-01T00:00:00Z',
  '2026-01-01T25:00:00Z',
  '2026-01-01T00:60:00Z',
  '2026-01-01T00:00:00',
  '2026-01-01T00:00:00+99:99',
  '2026-1-1',
  'yesterday',
  'now',
  'infinity',
  '',
  '1735689600',
  '2026-01-01T00:00:00Z; select 1',
]
const timeFields = ['occurred_at', 'valid_from', 'valid_to', 'expires_at']

/** Fields of a wrong type, or with no sense together: body and pointer. */
const wrong: [Record<string, unknown>, string][] = [
  [{}, '/text'],
  [{ text: '' }, '/text'],
  [{ text: ' \n\t' }, '/text'],
  [{ text: 1 }, '/text'],
  [{ text: null }, '/text'],
  [{ text: ['x'] }, '/text'],
  [{ text: 'x', content: 'y' }, '/text'],
  [{ payload: [] }, '/payload'],
  [{ payload: 'x' }, '/payload'],
  [{ payload: null }, '/payload'],
  [{ messages: [] }, '/messages'],
  [{ messages: 'x' }, '/messages'],
  [{ messages: [{ role: 'user' }] }, '/messages/0/content'],
  [{ messages: [{ content: 'x' }] }, '/messages/0/role'],
  [{ messages: [{ role: 'user', content: 'x', image: 'y' }] }, '/messages/0/image'],
  [{ messages: [{ role: 'user', content: 'x', at: '2026-02-31' }] }, '/messages/0/at'],
  [{ text: 'x', namespace: 1 }, '/namespace'],
  [{ text: 'x', user_id: 7 }, '/user_id'],
  [{ text: 'x', user_id: ['a', 'b'] }, '/user_id'],
  [{ text: 'x', agent_id: { eq: 'a' } }, '/agent_id'],
  [{ text: 'x', memory_type: 'Episodic' }, '/memory_type'],
  [{ text: 'x', memory_type: 'constructor' }, '/memory_type'],
  [{ text: 'x', metadata: [] }, '/metadata'],
  [{ text: 'x', tags: 'a,b' }, '/tags'],
  [{ text: 'x', tags: [1] }, '/tags/0'],
  [{ text: 'x', importance: '5' }, '/importance'],
  [{ text: 'x', coord: [1, 2, 3] }, '/coord'],
  [{ text: 'x', coord: 5 }, '/coord'],
  [{ text: 'x', ttl_seconds: 1.5 }, '/ttl_seconds'],
  [{ text: 'x', ttl_seconds: 60, expires_at: '2030-01-01' }, '/ttl_seconds'],
  [{ text: 'x', valid_from: '2026-01-02', valid_to: '2026-01-01' }, '/valid_to'],
  [{ text: 'x', supersedes: 'that one' }, '/supersedes'],
  [{ text: 'x', supersedes: '00000000-0000-7000-8000-000000000000' }, '/supersedes'],
  [{ text: 'x', idempotency_key: 'k' }, '/idempotency_key'],
  [{ text: 'x', tenant_id: 1 }, '/tenant_id'],
  [{ text: 'x', id: '00000000-0000-7000-8000-000000000000' }, '/id'],
  [{ text: 'x', 'a/b~c': 1 }, '/a~1b~0c'],
  [{ text: 'x', constructor: {} }, '/constructor'],
  [{ text: 'x', toString: 'y' }, '/toString'],
  [JSON.parse('{"text":"x","__proto__":{"user_id":"eve"}}'), '/__proto__'],
]

describeEngines('memories that do not fit the contract', (product) => {
  const store = async (caller: Caller, body: unknown) => product().call(caller, 'POST', '/v1/memories', body)
  const bulk = async (caller: Caller, body: unknown) => product().call(caller, 'POST', '/v1/memories/bulk', body)

  test.each(bounds)('%s is stored, and what lies just beyond is refused by the single and the bulk store', async (_name, good, bad, pointer) => {
    const ada = await product().tenant()
    const stored = await store(ada, good)
    expect(stored.status, stored.text.slice(0, 300)).toBe(201)
    await expectNothingWritten(product(), async () => {
      expectProblem(await store(ada, bad), 'invalid', pointer)
      expectProblem(await bulk(ada, { items: [{ text: 'fine' }, bad, { text: 'fine too' }] }), 'invalid', `/items/1${pointer}`)
    })
  })

  test('each field of a wrong type and each field that is none is named, and nothing is stored', async () => {
    const ada = await product().tenant()
    await expectNothingWritten(product(), async () => {
      for (const [body, pointer] of wrong) expectProblem(await store(ada, body), 'invalid', pointer)
      for (const coord of badCoords) expectProblem(await store(ada, { text: 'x', coord }), 'invalid', '/coord')
      for (const coord of badCoords) expectProblem(await product().call(ada, 'POST', '/store', { coord, payload: { a: 1 } }), 'invalid', '/coord')
      for (const field of timeFields) for (const time of badTimes) expectProblem(await store(ada, { text: 'x', [field]: time }), 'invalid', `/${field}`)
    })
  })

  test('a bulk takes 1 to 500 items, and one bad item in 500 stores none', async () => {
    const ada = await product().tenant()
    expect((await bulk(ada, { items: list(500, { text: 'x' }) })).body.created).toBe(500)
    await expectNothingWritten(product(), async () => {
      expectProblem(await bulk(ada, { items: list(501, { text: 'x' }) }), 'invalid', '/items')
      expectProblem(await bulk(ada, { items: [] }), 'invalid', '/items')
      expectProblem(await bulk(ada, { items: 'x' }), 'invalid', '/items')
      expectProblem(await bulk(ada, { items: [{ text: 'x' }], atomic: 'no' }), 'invalid', '/atomic')
      expectProblem(await bulk(ada, { items: [{ text: 'x' }], dry_run: true }), 'invalid', '/dry_run')
      expectProblem(await bulk(ada, { items: [...list(499, { text: 'x' }), null] }), 'invalid', '/items/499')
      expectProblem(await product().call(ada, 'POST', '/store_bulk', { items: list(501, { coord: '1', payload: {} }) }), 'invalid', '/items')
    })
  })

  test('not atomic: the good items are stored, and each bad one says why', async () => {
    const ada = await product().tenant()
    const answer = await bulk(ada, { atomic: false, items: wrong.slice(0, 30).flatMap(([bad]) => [bad, { text: 'fine' }]) })
    expect(answer.body).toMatchObject({ created: 30, failed: 30 })
    for (const one of answer.body.results.filter((result: { status: string }) => result.status === 'failed')) expect(one.problem).toMatchObject({ code: 'invalid', status: 422 })
  })

  test('a number that a double holds and a float does not is refused or kept, never a fault', async () => {
    const ada = await product().tenant()
    const stored = await store(ada, { text: 'x', importance: 1e-300, payload: { tiny: 5e-324, large: 1.7976931348623157e308 } })
    expect(stored.status === 201 || stored.body.code === 'invalid', stored.text).toBe(true)
  })

  test('a memory within the limits may be escaped to ASCII, as many clients do', async () => {
    const ada = await product().tenant()
    const escaped = `{"messages":[{"role":"user","content":"${'\\u5b57'.repeat(200 * kib)}"}]}`
    const stored = await product().call(ada, 'POST', '/v1/memories', escaped)
    expect(stored.status, stored.text.slice(0, 300)).toBe(201)
  })

  test('a patch obeys the same limits, and a refused one leaves the version as it was', async () => {
    const ada = await product().tenant()
    const { body } = await store(ada, { text: 'x', metadata: { a: 'x'.repeat(10 * kib) }, valid_from: '2026-01-01' })
    const patches: [unknown, string][] = [
      [{}, ''],
      [{ text: null }, '/text'],
      [{ text: '' }, '/text'],
      [{ messages: [] }, '/messages'],
      [{ metadata: { b: 'x'.repeat(10 * kib) } }, '/metadata'],
      [{ metadata: nested(7) }, '/metadata'],
      [{ valid_to: '2025-01-01' }, '/valid_to'],
      [{ user_id: 'eve' }, '/user_id'],
      [{ namespace: 'other' }, '/namespace'],
      [{ version: 9 }, '/version'],
      [JSON.parse('{"importance":1,"__proto__":{"a":1}}'), '/__proto__'],
      [{ payload: { p: 'x'.repeat(256 * kib) } }, '/payload'],
    ]
    await expectNothingWritten(product(), async () => {
      for (const [patch, pointer] of patches) expectProblem(await product().call(ada, 'PATCH', `/v1/memories/${body.id}`, patch), 'invalid', pointer)
    })
    expect((await product().call(ada, 'GET', `/v1/memories/${body.id}`)).body.version).toBe(1)
  })
})
