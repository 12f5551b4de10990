import { expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { badTimes } from './bad-input.ts'
import { expectNothingWritten, expectProblem, systemKey } from './checks.ts'

const nots = (levels: number): unknown => (levels === 1 ? { text: 'x' } : { NOT: nots(levels - 1) })
const ors = (leaves: number) => ({ OR: Array.from({ length: leaves }, (_, i) => ({ user_id: `u${i}` })) })
const ids = (n: number) => ({ user_id: { in: Array.from({ length: n }, (_, i) => `u${i}`) } })
const json = (text: string): unknown => JSON.parse(text)
const uuid = '00000000-0000-7000-8000-000000000000'

/** Filters that list and recall refuse alike, and the pointer below /filters. */
const badFilters: [unknown, string][] = [
  [null, ''],
  ['user_id = 1', ''],
  [[], ''],
  [{}, ''],
  [{ AND: [] }, '/AND'],
  [{ OR: {} }, '/OR'],
  [{ AND: [{}] }, '/AND/0'],
  [{ NOT: [] }, '/NOT'],
  [{ NOT: {} }, '/NOT'],
  [{ and: [{ text: 'x' }] }, '/and'],
  [{ userid: 'a' }, '/userid'],
  [{ tenant_id: 1 }, '/tenant_id'],
  [{ namespace: 'n' }, '/namespace'],
  [{ memory_key: 1 }, '/memory_key'],
  [{ constructor: 'a' }, '/constructor'],
  [{ toString: 'a' }, '/toString'],
  [json('{"__proto__":"a"}'), '/__proto__'],
  [json('{"user_id":"a","__proto__":{"eq":"b"}}'), '/__proto__'],
  [{ 'a/b~c': 1 }, '/a~1b~0c'],
  [{ metadata: { a: 1 } }, '/metadata'],
  [{ 'metadata.': 1 }, '/metadata.'],
  [{ 'metadata..a': 1 }, '/metadata..a'],
  [{ 'metadata.a.b.c.d.e.f.g': 1 }, '/metadata.a.b.c.d.e.f.g'],
  [{ "user_id' or 1=1 --": 'a' }, "/user_id' or 1=1 --"],
  [{ user_id: {} }, '/user_id'],
  [{ user_id: { like: 'a%' } }, '/user_id/like'],
  [{ user_id: { $regex: '.*' } }, '/user_id/$regex'],
  [{ user_id: { $where: '1' } }, '/user_id/$where'],
  [{ user_id: { EQ: 'a' } }, '/user_id/EQ'],
  [{ user_id: { constructor: 'a' } }, '/user_id/constructor'],
  [{ user_id: json('{"__proto__":"a"}') }, '/user_id/__proto__'],
  [{ user_id: 1 }, '/user_id'],
  [{ user_id: ['a'] }, '/user_id'],
  [{ user_id: { eq: true } }, '/user_id/eq'],
  [{ user_id: { in: 'a' } }, '/user_id/in'],
  [{ user_id: { in: ['a', 1] } }, '/user_id/in/1'],
  [{ user_id: { in: ['a', null] } }, '/user_id/in/1'],
  [{ user_id: { exists: 'yes' } }, '/user_id/exists'],
  [{ user_id: { gt: null } }, '/user_id/gt'],
  [{ user_id: { contains: 1 } }, '/user_id/contains'],
  [{ text: { contains: null } }, '/text/contains'],
  [{ importance: 'high' }, '/importance'],
  [{ importance: { gt: '5' } }, '/importance/gt'],
  [{ importance: { contains: 5 } }, '/importance/contains'],
  [{ version: { gt: true } }, '/version/gt'],
  [{ id: 'not an id' }, '/id'],
  [{ id: { gt: uuid } }, '/id/gt'],
  [{ supersedes: { in: ['x'] } }, '/supersedes/in/0'],
  [{ index_state: 'done' }, '/index_state'],
  [{ tags: 'x' }, '/tags'],
  [{ tags: { contains: 1 } }, '/tags/contains'],
  [{ tags: { contains: ['a'] } }, '/tags/contains'],
  [{ tags: { gt: 'a' } }, '/tags/gt'],
  [{ 'metadata.a': { gt: true } }, '/metadata.a/gt'],
  [{ 'metadata.a': { eq: { b: 1 } } }, '/metadata.a/eq'],
  [{ 'metadata.a': { icontains: 1 } }, '/metadata.a/icontains'],
  [{ 'payload.a': [1] }, '/payload.a'],
  [nots(9), '/NOT'.repeat(8)],
  [ors(65), '/OR/64/user_id'],
  [ids(101), '/user_id/in'],
]
const badLists: [unknown, string][] = [
  [{ limit: 0 }, '/limit'],
  [{ limit: 501 }, '/limit'],
  [{ limit: 1.5 }, '/limit'],
  [{ limit: '5' }, '/limit'],
  [{ order_by: 'text; drop table memories' }, '/order_by'],
  [{ order_by: 'constructor' }, '/order_by'],
  [{ order_by: 'created_at' }, '/order_by'],
  [{ namespace: '' }, '/namespace'],
  [{ user_id: 1 }, '/user_id'],
  [{ offset: 5 }, '/offset'],
  [{ tenant_id: 1 }, '/tenant_id'],
  [json('{"__proto__":{"limit":1}}'), '/__proto__'],
  [{ cursor: 5 }, '/cursor'],
  [{ cursor: '' }, '/cursor'],
  [{ cursor: 'x'.repeat(1001) }, '/cursor'],
  [{ cursor: 'W10.AAAAAAAAAAAAAAAAAAAAAA' }, '/cursor'],
]
const badRecalls: [Record<string, unknown>, string][] = [
  [{ query: undefined }, '/query'],
  [{ query: '' }, '/query'],
  [{ query: ' \n ' }, '/query'],
  [{ query: 5 }, '/query'],
  [{ query: 'x'.repeat(64 * 1024 + 1) }, '/query'],
  [{ top_k: 0 }, '/top_k'],
  [{ top_k: 101 }, '/top_k'],
  [{ top_k: 1.5 }, '/top_k'],
  [{ mode: 'magic' }, '/mode'],
  [{ mode: 'toString' }, '/mode'],
  [{ memory_types: [] }, '/memory_types'],
  [{ memory_types: ['dream'] }, '/memory_types/0'],
  [{ threshold: 1.1 }, '/threshold'],
  [{ threshold: -0.1 }, '/threshold'],
  [{ max_tokens: 0 }, '/max_tokens'],
  [{ weights: { recency: 2 } }, '/weights/recency'],
  [{ weights: { lexical: 1 } }, '/weights/lexical'],
  [{ consistency: 'strong' }, '/consistency'],
  [{ explain: 'yes' }, '/explain'],
  [{ valid_at: 'then' }, '/valid_at'],
  [{ user: 'a' }, '/user'],
  [json('{"__proto__":{"top_k":1}}') as Record<string, unknown>, '/__proto__'],
]

describeEngines('queries that do not fit the contract', (product) => {
  const list = (caller: Caller, body: unknown) => product().call(caller, 'POST', '/v1/memories/list', body)
  const recall = (caller: Caller, more: Record<string, unknown>) => product().call(caller, 'POST', '/v1/recall', { query: 'x', ...more })

  test('a wrong filter is refused with a pointer by list, recall and the guides’ recall: never dropped, never widened', async () => {
    const ada = await product().tenant()
    await product().call(ada, 'POST', '/v1/memories', { text: 'x', user_id: 'a' })
    await expectNothingWritten(product(), async () => {
      for (const [filters, pointer] of badFilters) {
        for (const path of ['/v1/memories/list', '/v1/recall', '/recall', '/memories/search']) {
          const body = path === '/v1/memories/list' ? { filters } : { query: 'x', filters }
          expectProblem(await product().call(ada, 'POST', path, body), 'invalid', `/filters${pointer}`)
        }
      }
      for (const time of badTimes) expectProblem(await list(ada, { filters: { created_at: { gt: time } } }), 'invalid', '/filters/created_at/gt')
    })
  })

  test('filters on the near side of each bound are taken', async () => {
    const ada = await product().tenant()
    for (const filters of [nots(8), ors(64), ids(100), { 'metadata.a.b.c.d.e.f': 1 }, { user_id: { in: [] } }, { created_at: { gt: '2026-01-01T00:00:00+23:59' } }]) {
      const answer = await list(ada, { filters })
      expect(answer.status, answer.text).toBe(200)
      expect((await recall(ada, { filters })).status).toBe(200)
    }
  })

  test('numbers at the edge of a double, dates at the edge of time and far offsets are compared, or refused, never a fault', async () => {
    const ada = await product().tenant()
    await product().call(ada, 'POST', '/v1/memories', { text: 'x', metadata: { n: 1.7976931348623157e308, s: 'text', b: true, list: [1, 'a'], none: null } })
    const operands = [1.7976931348623157e308, 5e-324, -0, 1e21, 0.1, '1', 'x', true]
    const answers = []
    for (const operand of operands) {
      for (const op of ['eq', 'ne', 'gt', 'lte', 'contains']) {
        for (const field of ['metadata.n', 'metadata.s', 'metadata.b', 'metadata.list', 'metadata.none', 'metadata.gone', 'version', 'importance'])
          answers.push(await list(ada, { filters: { [field]: { [op]: operand } } }))
      }
    }
    for (const time of ['0001-01-01', '9999-12-31T23:59:59.999999999Z', '2026-01-01T00:00:00-23:59', '2026-06-30T24:00:00Z', '2026-01-01T00:00:00-00:00']) {
      for (const field of ['created_at', 'valid_to']) answers.push(await list(ada, { filters: { [field]: { lt: time } } }))
      answers.push(await recall(ada, { valid_at: time }))
    }
    for (const answer of answers) if (answer.status !== 200) expectProblem(answer, 'invalid')
  })

  test('each wrong field of a list and of a recall is named', async () => {
    const ada = await product().tenant()
    for (const [body, pointer] of badLists) expectProblem(await list(ada, body), 'invalid', pointer)
    for (const [body, pointer] of badRecalls) expectProblem(await recall(ada, body), 'invalid', pointer)
    for (const time of badTimes) expectProblem(await recall(ada, { valid_at: time }), 'invalid', '/valid_at')
  })

  test('a name of a tenant or of a key that holds NUL or percent signs names nothing', async () => {
    const system = await systemKey(product())
    for (const name of ['%00', 'a%00b', '%25', '%zz', '%ff', "'%20or%201=1", '..%2f..', 'system%00']) {
      for (const [method, path, body] of [
        ['PATCH', `/v1/tenants/${name}`, { status: 'suspended' }],
        ['DELETE', `/v1/keys/${name}`, undefined],
      ] as const) {
        const answer = await product().call(system, method, path, body)
        expect([404, 422], `${method} ${path} ${answer.text}`).toContain(answer.status)
      }
      const page = await product().call(system, 'GET', `/v1/tenants?cursor=${name}`)
      expect([200, 422], page.text).toContain(page.status)
    }
  })
})
