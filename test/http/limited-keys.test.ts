import { expect, test } from 'vitest'
import { operations } from '../../shared/http/index.ts'
import { holdsReach } from '../../shared/http/limited-keys.ts'
import { createAuthenticate } from '../../shared/tenant/index.ts'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { inFiles } from '../support/transfers.ts'
import { expectNothingWritten, expectProblem } from './checks.ts'

const memoryScopes = ['memory:read', 'memory:write', 'memory:delete', 'memory:history']
const held = operations.filter(({ method, path }) => holdsReach(method, path))
const idOf = ({ id }: { id: string }) => id
type Request = [method: string, path: string, body?: unknown, headers?: Record<string, string>]

describeEngines(
  'limited keys',
  (product) => {
    const call = (caller: Caller | null, ...[method, path, body, headers]: Request): Promise<Answer> => product().call(caller, method, path, body, headers)
    const limited = async (owner: Caller, reach: object, scopes = memoryScopes): Promise<Caller> => {
      const made = await call(owner, 'POST', '/v1/keys', { scopes, reach })
      expect(made.status, made.text).toBe(201)
      return { ...owner, key: made.body.key }
    }
    const store = async (owner: Caller, memory: object): Promise<string> => {
      const stored = await call(owner, 'POST', '/v1/memories', { text: 'a red fox', ...memory })
      expect(stored.status, stored.text).toBeLessThan(202)
      return stored.body.id
    }
    const link = async (owner: Caller, from: string, to: string): Promise<string> => (await call(owner, 'POST', '/v1/links', { from, to })).body.id

    /** A tenant with memories of Ada and Eve in two namespaces; the keys of Ada reach hers in `mine`. */
    async function home() {
      const owner = await product().tenant()
      const mine = { namespace: 'mine', user_id: 'ada', session_id: 's' }
      const [own, friend] = [await store(owner, { ...mine, coord: '1,1' }), await store(owner, mine)]
      const [elsewhere, eves] = [await store(owner, { ...mine, namespace: 'default', coord: '1,1' }), await store(owner, { ...mine, user_id: 'eve', coord: '2,2' })]
      await store(owner, { user_id: 'ada', coord: '4,4' })
      // once hers, now of another: a coord that was stored anew
      const handed = await store(owner, { ...mine, coord: '3,3' })
      await store(owner, { ...mine, user_id: 'eve', coord: '3,3', text: 'a red fox of Eve' })
      const links = { own: await link(owner, own, friend), out: await link(owner, friend, eves), away: await link(owner, elsewhere, eves) }
      await product().settle()
      const ada = await limited(owner, { namespaces: ['mine'], user_id: 'ada' })
      return { owner, ada, mine: { namespace: 'mine', user_id: 'ada' }, own, friend, elsewhere, eves, handed, links }
    }

    test('whatever is not held to the reach of a key refuses every limited key', async () => {
      const owner = await product().tenant()
      const anything = await limited(owner, { namespaces: ['default', 'mine'] })
      await expectNothingWritten(product(), async () => {
        for (const { method, path, body, example, scope } of operations) {
          if (scope === undefined || holdsReach(method, path)) continue
          const target = path.replace(':id', '01900000-0000-7000-8000-000000000000').replace(':name', 'x').replace(':part', '1')
          const answer = await call(anything, method, target, body ? example : undefined)
          expectProblem(answer, 'forbidden')
          expect(answer.body.detail).toContain('limited to the namespaces default, mine')
        }
      })
    })

    test('every operation that is held refuses what reaches beyond, in each way that it can, and nothing is written', async () => {
      const { owner, ada, mine, own, friend, elsewhere, eves, handed, links } = await home()
      const operation = (await call(owner, 'POST', '/v1/exports', {})).body.id
      const replay = (await call(owner, 'POST', '/v1/recall', { ...mine, user_id: 'eve', query: 'fox' })).body.replay
      const beyond = [{}, { namespace: 'mine' }, { user_id: 'ada' }, { ...mine, namespace: 'other' }, { ...mine, user_id: 'eve' }, { ...mine, user_id: 'ADA' }]
      const filters = [
        { namespace: 'mine', filters: { user_id: 'eve' } },
        { namespace: 'mine', filters: { OR: [{ user_id: 'ada' }, { user_id: 'eve' }] } },
        { namespace: 'mine', filters: { NOT: { user_id: 'eve' } } },
        { namespace: 'mine', filters: { user_id: { in: ['ada'] } } },
      ]
      const query = (values: Record<string, string>) => new URLSearchParams(values).toString()
      const requests: Request[] = [
        ...beyond.flatMap((place): Request[] => [
          ['POST', '/v1/memories', { text: 'x', ...place }],
          [
            'POST',
            '/v1/memories/bulk',
            {
              items: [
                { text: 'fine', ...mine },
                { text: 'x', ...place },
              ],
              atomic: false,
            },
          ],
          ['GET', `/v1/users?${query(place as Record<string, string>).replace(/&?user_id=\w+/, '')}`],
          ['GET', `/v1/sessions?${query(place as Record<string, string>)}`],
          ['GET', `/v1/export?${query(place as Record<string, string>)}`],
        ]),
        ...[...beyond, ...filters].flatMap((place): Request[] => [
          ['POST', '/v1/recall', { query: 'fox', ...place }],
          ['POST', '/v1/memories/list', place],
          ['POST', '/v1/memories/forget', { filters: { tags: { contains: 'x' } }, ...place }],
        ]),
        ['POST', '/v1/recall', { ...mine, user_id: 'eve', query: 'fox', replay }],
        ['POST', '/v1/memories', { text: 'x', ...mine, coord: '2,2' }],
        ['POST', '/v1/memories', { text: 'x', ...mine, coord: '3,3' }],
        ['POST', '/v1/memories', { text: 'x', ...mine, supersedes: eves }],
        ['POST', '/v1/memories', { text: 'x', ...mine, supersedes: elsewhere }],
        ['POST', '/v1/memories/bulk', { items: [{ text: 'x', ...mine, coord: '2,2' }], atomic: false }],
        ...[eves, elsewhere, handed].flatMap((id): Request[] => [
          ['GET', `/v1/memories/${id}`],
          ['PATCH', `/v1/memories/${id}`, { importance: 2 }],
          ['DELETE', `/v1/memories/${id}`],
          ['GET', `/v1/memories/${id}/history`],
          ['GET', `/v1/memories/${id}/neighbors`],
          ['POST', '/v1/links', { from: own, to: id }],
          ['POST', '/v1/links', { from: id, to: own }],
          ['GET', `/v1/paths?from=${own}&to=${id}`],
          ['GET', `/v1/paths?from=${id}&to=${own}`],
        ]),
        ['GET', `/v1/memories/${friend}/neighbors`],
        ['GET', `/v1/memories/${own}/neighbors?hops=2`],
        ['DELETE', `/v1/links/${links.out}`],
        ['DELETE', `/v1/links/${links.away}`],
        ['GET', '/v1/export?all_namespaces=true'],
        ['GET', '/v1/export?namespace=mine&user_id=ada&versions=true'],
        ['GET', `/v1/operations/${operation}`],
        ['POST', '/store', { coord: '9,9', payload: { a: 1 } }],
        ['POST', '/store_bulk', { items: [{ coord: '9,9', payload: { a: 1 } }] }],
        ['POST', '/memories', { coord: '9,9', payload: { a: 1 } }],
        ['GET', '/recall?query=fox'],
        ['POST', '/recall', { query: 'fox', filters: { user_id: 'ada' } }],
        ['POST', '/recall_batch', { queries: ['fox'] }],
        ['POST', '/recall_with_scores', { query: 'fox' }],
        ['POST', '/hybrid_recall_with_scores', { query: 'fox', terms: ['fox'] }],
        ['POST', '/recall_with_context', { query: 'fox', context: {} }],
        ['POST', '/keyword_search', { term: 'fox' }],
        ['GET', '/range?min=0,0&max=9,9'],
        ['GET', '/memories/search?query=fox'],
        ['POST', '/memories/search', { query: 'fox' }],
        ['GET', '/memories/1,1'],
        ['DELETE', '/memories/1,1'],
        ['POST', '/link', { from_coord: '1,1', to_coord: '4,4' }],
        ['GET', '/neighbors?coord=1,1'],
        ['GET', '/shortest_path?frm=1,1&to=4,4'],
      ]
      await expectNothingWritten(product(), async () => {
        for (const request of requests) {
          const answer = await call(ada, ...request)
          expect([answer.status, answer.body?.code], `${JSON.stringify(request)} ${answer.text.slice(0, 300)}`).toEqual([403, 'forbidden'])
          expect(answer.body.detail).toContain('limited to the namespace mine and user_id "ada"')
          expect(answer.text).not.toContain('eve')
        }
      })
      const tried = new Set(
        requests.map(
          ([method, path]) =>
            `${method} ${path
              .replace(/\?.*/, '')
              .replace(/\/[0-9a-f]{8}-[0-9a-f-]{27}/, '/:id')
              .replace(/\/1,1$/, '/:coord')}`,
        ),
      )
      expect(held.map(({ method, path }) => `${method} ${path}`).filter((one) => !tried.has(one))).toEqual([])
    })

    test('within its reach a limited key does what another does', async () => {
      const { ada, mine, own, friend, links } = await home()
      const stored = await call(ada, 'POST', '/v1/memories', { text: 'a grey heron', ...mine, coord: '7,7', agent_id: 'any' })
      expect(stored.status, stored.text).toBe(201)
      const { id } = stored.body
      expect((await call(ada, 'POST', '/v1/memories', { text: 'a grey heron, again', ...mine, coord: '7,7' })).body).toMatchObject({ id, version: 2 })
      expect((await call(ada, 'POST', '/v1/memories', { text: 'another heron', ...mine, supersedes: id })).status).toBe(201)
      expect((await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'x', ...mine }] })).body).toMatchObject({ created: 1 })
      for (const place of [
        mine,
        { namespace: 'mine', filters: { user_id: 'ada' } },
        { namespace: 'mine', filters: { AND: [{ user_id: { eq: 'ada' } }, { OR: [{ user_id: 'eve' }, { text: { contains: 'heron' } }] }] } },
      ]) {
        const recalled = await call(ada, 'POST', '/v1/recall', { query: 'heron', ...place })
        expect(recalled.body.results.map((one: { user_id: string }) => one.user_id)).toContain('ada')
        expect((await call(ada, 'POST', '/v1/recall', { query: 'heron', ...place, replay: recalled.body.replay })).body.results.map(idOf)).toEqual(recalled.body.results.map(idOf))
        expect((await call(ada, 'POST', '/v1/memories/list', place)).status).toBe(200)
      }
      expect((await call(ada, 'GET', `/v1/memories/${id}`)).body.text).toContain('heron')
      expect((await call(ada, 'GET', `/v1/memories/${id}/history`)).body.items.length).toBeGreaterThan(1)
      expect((await call(ada, 'PATCH', `/v1/memories/${own}`, { importance: 2 })).status).toBe(200)
      expect((await call(ada, 'GET', `/v1/memories/${own}/neighbors`)).body.items).toMatchObject([{ memory: { id: friend } }])
      expect((await call(ada, 'GET', `/v1/paths?from=${own}&to=${friend}`)).body.path).toHaveLength(2)
      expect((await call(ada, 'DELETE', `/v1/links/${links.own}`)).status).toBe(204)
      expect((await call(ada, 'POST', '/v1/links', { from: friend, to: own })).status).toBe(201)
      expect((await call(ada, 'GET', '/v1/sessions?namespace=mine&user_id=ada')).body.items).toMatchObject([{ session_id: 's' }])
      expect((await call(ada, 'GET', '/v1/export?namespace=mine&user_id=ada&links=true')).text).toContain(own)
      const dry = await call(ada, 'POST', '/v1/memories/forget', { ...mine, filters: { text: { contains: 'heron' } } })
      expect((await call(ada, 'POST', '/v1/memories/forget', { ...mine, filters: { text: { contains: 'heron' } }, confirm: dry.body.confirm })).body.deleted).toBeGreaterThan(0)
      expect((await call(ada, 'DELETE', `/v1/memories/${own}`)).status).toBe(204)
      expect((await call(ada, 'GET', `/v1/memories/${own}/history`)).body.items.at(-1)).toMatchObject({ state: 'deleted' })
    })

    test('what another key did under an idempotency key is not answered to one that may not see it', async () => {
      const { owner, ada, eves } = await home()
      const headers = { 'idempotency-key': 'shared' }
      expect((await call(owner, 'PATCH', `/v1/memories/${eves}`, { importance: 3 }, headers)).status).toBe(200)
      const answer = await call(ada, 'PATCH', `/v1/memories/${eves}`, { importance: 3 }, headers)
      expectProblem(answer, 'forbidden')
      expect(answer.text).not.toContain('eve')
      const gone = { 'idempotency-key': 'forgotten' }
      for (const [caller, status] of [
        [owner, 204],
        [ada, 403],
        [owner, 204],
      ] as const)
        expect((await call(caller, 'DELETE', `/v1/memories/${eves}`, undefined, gone)).status).toBe(status)
    })

    test('a key of namespaces serves the guides where `default` is one of them, and no other namespace', async () => {
      const { owner } = await home()
      const guide = await limited(owner, { namespaces: ['default'] })
      expect((await call(guide, 'POST', '/store', { coord: '5,5', payload: { note: 'a blue whale' } })).body).toMatchObject({ ok: true })
      expect((await call(guide, 'POST', '/recall', { query: 'whale' })).body.matches).toHaveLength(1)
      expect((await call(guide, 'GET', '/memories/5,5')).status).toBe(200)
      expect((await call(guide, 'GET', '/range?min=5,5&max=5,5')).body.coords).toEqual([[5, 5]])
      expect((await call(guide, 'POST', '/keyword_search', { term: 'whale' })).body.results).toHaveLength(1)
      expect((await call(guide, 'GET', '/v1/users')).status).toBe(200)
      expect((await call(guide, 'GET', '/v1/export?versions=true')).status).toBe(200)
      const other = await limited(owner, { namespaces: ['mine'] })
      for (const path of ['/memories/5,5', '/range?min=5,5&max=5,5', '/neighbors?coord=5,5', '/recall?query=whale']) expectProblem(await call(other, 'GET', path), 'forbidden')
    })

    test('a limited key has scopes of memories alone, and makes, rotates and revokes no other', async () => {
      const owner = await product().tenant()
      for (const scopes of [['admin'], ['memory:read', 'outbox:read'], ['memory:read', 'admin']])
        expectProblem(await call(owner, 'POST', '/v1/keys', { scopes, reach: { namespaces: ['x'] } }), 'invalid', '/scopes')
      for (const reach of [{}, { namespaces: [] }, { namespaces: [''] }, { user_id: '' }, { user: 'ada' }, { user_id: ['ada'] }, { namespaces: ['a\u0000'] }])
        expectProblem(await call(owner, 'POST', '/v1/keys', { reach }), 'invalid')
      const key = await limited(owner, { user_id: 'ada' })
      const [{ id }] = (await call(owner, 'GET', '/v1/keys')).body.items
      for (const request of [
        ['POST', '/v1/keys', {}],
        ['GET', '/v1/keys'],
        ['DELETE', `/v1/keys/${id}`],
        ['POST', `/v1/keys/${id}/rotate`, {}],
      ] as Request[])
        expectProblem(await call(key, ...request), 'forbidden')
    })

    test('without the database a limited key is still limited', async () => {
      const owner = await product().tenant()
      const key = await limited(owner, { user_id: 'ada' })
      const { config, db } = product().local
      const authenticate = createAuthenticate(config, db.app)
      const request = new Request('http://soma.test/', { headers: { authorization: `Bearer ${key.key}` } })
      await authenticate(request)
      await expect(authenticate.offline(request)).resolves.toMatchObject({ reach: { user_id: 'ada' } })
    })
  },
  undefined,
  inFiles,
)
