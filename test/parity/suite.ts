import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Answer, Caller, Product } from '../support/engines.ts'
import { newSigner, signedToken } from '../support/forged-tokens.ts'

/** The product on one kind of host, as its clients and its operators see it. */
export type Host = Pick<Product, 'call' | 'tenant'> & {
  /** Runs a job of the manifest to its end, as this host runs it. @throws Error when it failed */
  job(name: string): Promise<void>
  /** SQL as the superuser: what a test looks at. */
  sql<Row>(text: string, values: unknown[]): Promise<Row[]>
}

/** For where /metrics asks for one. */
export const metricsToken = 'a token for the metrics'

const issuer = newSigner('https://issuer.example')
/** What a host is told of the issuer whose tokens it takes; the key itself, as there is no file that all of them see. */
export const issuerVariables = { JWT_ISSUER: issuer.issuer, JWT_AUDIENCE: issuer.audience, JWT_PUBLIC_KEY_PATH: issuer.publicPem }

const texts = (answer: Answer): string[] => (answer.body.results ?? answer.body.items).map((one: { text: string }) => one.text)
const ok = (answer: Answer, status = 200): Answer => {
  expect([answer.status, answer.text]).toEqual([status, expect.anything()])
  return answer
}
/** Nobody's id. */
const unknown = '01a1fd1a-0000-7000-8000-000000000001'
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(50)
}

/** What every host has to do alike; `streams` says whether it also serves what is streamed. Each test has a tenant of its own. */
export function behaviour(host: () => Host, { streams }: { streams: boolean }): void {
  const call: Host['call'] = (...request) => host().call(...request)
  const store = async (caller: Caller, memory: object): Promise<string> => ok(await call(caller, 'POST', '/v1/memories', memory), 201).body.id
  const recall = (caller: Caller, query: string, more: object = {}) => call(caller, 'POST', '/v1/recall', { query, ...more })
  /** Publishes what waits, until the consumers have indexed this memory and projected this many versions. */
  async function settle(caller: Caller, id: string, versions: number): Promise<void> {
    await host().job('drain-outbox')
    const projected = () => host().sql('select 1 from memory_events where tenant_id = $1::integer', [caller.tenantId])
    await until(async () => (await projected()).length >= versions && (await call(caller, 'GET', `/v1/memories/${id}`)).body.index_state === 'indexed')
  }

  describe('memories', () => {
    test('are stored, read, changed under If-Match and listed with their history', async () => {
      const ada = await host().tenant()
      const stored = ok(await call(ada, 'POST', '/v1/memories', { text: 'Ada prefers tea — ☕', user_id: 'ada', tags: ['drinks'] }), 201)
      expect([stored.headers.get('etag'), stored.headers.get('x-request-id')]).toEqual(['"1"', expect.any(String)])
      const { id } = stored.body
      // a drain that was woken may have indexed it meanwhile
      expect(ok(await call(ada, 'GET', `/v1/memories/${id}`)).body).toEqual({ ...stored.body, index_state: expect.stringMatching(/^(pending|indexed)$/) })
      const changed = await call(ada, 'PATCH', `/v1/memories/${id}`, { text: 'Ada prefers coffee' }, { 'if-match': '"1"' })
      expect([changed.status, changed.body.version, changed.body.user_id]).toEqual([200, 2, 'ada'])
      expect((await call(ada, 'PATCH', `/v1/memories/${id}`, { text: 'too late' }, { 'if-match': '"1"' })).status).toBe(412)
      const history = ok(await call(ada, 'GET', `/v1/memories/${id}/history`))
      expect(history.body.items.map((one: { version: number }) => one.version).sort()).toEqual([1, 2])
    })

    test('are stored in bulk, all or none, and come in pages by filter', async () => {
      const ada = await host().tenant()
      const items = ['one', 'two', 'three'].map((text, i) => ({ text, metadata: { n: i }, idempotency_key: text }))
      expect(ok(await call(ada, 'POST', '/v1/memories/bulk', { items })).body).toMatchObject({ created: 3, failed: 0 })
      expect(ok(await call(ada, 'POST', '/v1/memories/bulk', { items })).body).toMatchObject({ created: 0, duplicate: 3 })
      const refused = await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'four' }, { text: '', payload: undefined }] })
      expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, expect.stringMatching(/^\/items\/1/)])
      const query = { filters: { 'metadata.n': { gte: 1 } }, order_by: 'created_at asc', limit: 1 }
      const first = ok(await call(ada, 'POST', '/v1/memories/list', query))
      const second = ok(await call(ada, 'POST', '/v1/memories/list', { ...query, cursor: first.body.next_cursor }))
      expect([...texts(first), ...texts(second)]).toEqual(['two', 'three'])
    })

    test('are forgotten one by one and by filter, and leave every answer at once', async () => {
      const ada = await host().tenant()
      const gone = await store(ada, { text: 'tea at four', tags: ['old'] })
      const kept = await store(ada, { text: 'tea at six' })
      await store(ada, { text: 'tea at five', tags: ['old'] })
      await settle(ada, kept, 3)
      ok(await call(ada, 'DELETE', `/v1/memories/${gone}`), 204)
      expect((await call(ada, 'GET', `/v1/memories/${gone}`)).status).toBe(404)
      const query = { filters: { tags: { contains: 'old' } } }
      const dry = ok(await call(ada, 'POST', '/v1/memories/forget', query))
      expect(dry.body.matched).toBe(1)
      expect(ok(await call(ada, 'POST', '/v1/memories/forget', { ...query, confirm: dry.body.confirm })).body).toEqual({ deleted: 1 })
      for (const mode of ['hybrid', 'lexical', 'vector']) expect([mode, texts(await recall(ada, 'tea', { mode }))]).toEqual([mode, ['tea at six']])
    })
  })

  test('recall finds in each mode what was stored, before and after it is indexed, by scope, and again by its replay', async () => {
    const ada = await host().tenant()
    const id = await store(ada, { text: 'Ada keeps cardamom buns', user_id: 'ada' })
    await store(ada, { text: 'Bob keeps cardamom seeds', user_id: 'bob' })
    const modes = ['hybrid', 'lexical', 'vector']
    const inEach = async () => Promise.all(modes.map(async (mode) => ok(await recall(ada, 'cardamom buns', { mode, user_id: 'ada' })).body.results[0]?.id))
    expect(await inEach()).toEqual([id, id, id])
    await settle(ada, id, 2)
    expect(await inEach()).toEqual([id, id, id])
    const all = ok(await recall(ada, 'cardamom'))
    expect([all.body.degraded, all.body.results.length]).toEqual([false, 2])
    await store(ada, { text: 'cardamom, cardamom, cardamom' })
    expect(texts(ok(await recall(ada, 'cardamom', { replay: all.body.replay })))).toEqual(texts(all))
  })

  test('links are made, walked and removed', async () => {
    const ada = await host().tenant()
    const [a, b, c] = [await store(ada, { text: 'a' }), await store(ada, { text: 'b' }), await store(ada, { text: 'c' })]
    const link = ok(await call(ada, 'POST', '/v1/links', { from: a, to: b, weight: 2 }), 201).body
    ok(await call(ada, 'POST', '/v1/links', { from: b, to: c }), 201)
    expect(ok(await call(ada, 'GET', `/v1/memories/${a}/neighbors?hops=2`)).body.items.map((one: { memory: { id: string }; hops: number }) => [one.memory.id, one.hops])).toEqual([
      [b, 1],
      [c, 2],
    ])
    const path = ok(await call(ada, 'GET', `/v1/paths?from=${a}&to=${c}`)).body
    expect([path.path.map((one: { id: string }) => one.id), path.links.length]).toEqual([[a, b, c], 2])
    ok(await call(ada, 'DELETE', `/v1/links/${link.id}`), 204)
    expect(ok(await call(ada, 'GET', `/v1/paths?from=${a}&to=${c}`)).body.path).toEqual([])
  })

  test('a retry with its key is one memory, and another body under the key is refused', async () => {
    const ada = await host().tenant()
    const send = (text: string) => call(ada, 'POST', '/v1/memories', { text }, { 'idempotency-key': 'k-1' })
    const together = await Promise.all([send('once'), send('once'), send('once')])
    const last = ok(await send('once'), 201)
    // while the first runs, others are told to come again
    expect(together.filter(({ status }) => ![201, 409].includes(status))).toEqual([])
    expect(new Set([...together, last].flatMap(({ status, body }) => (status === 201 ? [body.id] : [])))).toEqual(new Set([last.body.id]))
    expect(last.headers.get('idempotent-replayed')).toBe('true')
    const other = await send('twice')
    expect([other.status, other.body.code]).toEqual([409, 'idempotency_conflict'])
    expect(texts(await call(ada, 'POST', '/v1/memories/list', {}))).toEqual(['once'])
  })

  test('what is wrong is answered as a problem with its code, and nothing of the inside', async () => {
    const ada = await host().tenant()
    const reader = await host().tenant(['memory:read'])
    const cases: [Answer, number, string][] = [
      [await call(null, 'POST', '/v1/memories', { text: 'x' }), 401, 'unauthenticated'],
      [await call(reader, 'POST', '/v1/memories', { text: 'x' }), 403, 'forbidden'],
      [await call(ada, 'POST', '/v1/memories', '{"text":'), 400, 'malformed'],
      [await call(ada, 'POST', '/v1/memories', { text: 'x', colour: 'red' }), 422, 'invalid'],
      [await call(ada, 'GET', `/v1/memories/${unknown}`), 404, 'not_found'],
      [await call(ada, 'POST', '/v1/recall', { query: 'x', filters: { colour: 'red' } }), 422, 'invalid'],
      [await call(ada, 'POST', '/v1/recall', { query: 'x', user_id: 'a', filters: { user_id: 'b' } }), 422, 'scope_conflict'],
    ]
    for (const [answer, status, code] of cases) {
      expect([answer.status, answer.body.code, answer.headers.get('content-type')]).toEqual([status, code, expect.stringContaining('application/problem+json')])
      expect(answer.body.request_id).toBe(answer.headers.get('x-request-id'))
      expect(answer.text).not.toMatch(/select |postgres|node_modules| at file/i)
    }
    expect(cases[3]?.[0].body.errors[0].pointer).toBe('/colour')
  })

  test('a token of the issuer is held to its tenant and scopes, and a limited key to its reach', async () => {
    const ada = await host().tenant()
    const bearer = async (tenant: string, signer = issuer) => ({ ...ada, key: await signedToken(signer, { tenant, scope: ['memory:write'] }) })
    const token = await bearer(ada.tenant)
    await store(token, { text: 'by a token' })
    const { body: made } = await call(ada, 'POST', '/v1/keys', { scopes: ['memory:read'], reach: { user_id: 'ada' } })
    const limited = { ...ada, key: made.key }
    ok(await call(limited, 'POST', '/v1/memories/list', { user_id: 'ada' }))
    const refused: [Answer, number][] = [
      [await call(token, 'POST', '/v1/memories/list', {}), 403],
      [await call(await bearer('nobody-made-it'), 'POST', '/v1/memories', { text: 'x' }), 403],
      [await call(await bearer(ada.tenant, newSigner(issuer.issuer)), 'POST', '/v1/memories', { text: 'x' }), 401],
      [await call(limited, 'POST', '/v1/memories/list', {}), 403],
      [await call(limited, 'GET', '/v1/usage'), 403],
    ]
    for (const [answer, status] of refused) expect(answer.status, answer.text).toBe(status)
    expect(texts(await call(ada, 'POST', '/v1/memories/list', {}))).toEqual(['by a token'])
  })

  test('every change is published, projected once a version, and indexed', async () => {
    const ada = await host().tenant()
    const id = await store(ada, { text: 'first' })
    ok(await call(ada, 'PATCH', `/v1/memories/${id}`, { text: 'second' }))
    const gone = await store(ada, { payload: { a: 1 } })
    ok(await call(ada, 'DELETE', `/v1/memories/${gone}`), 204)
    await settle(ada, id, 4)
    // and once more: what is sent stays sent
    await host().job('drain-outbox')
    const events = await host().sql<{ id: string; version: number; type: string }>('select id, version, type from memory_events where tenant_id = $1::integer', [ada.tenantId])
    const seen = events.map((one) => `${one.id === id ? 'kept' : 'gone'} ${one.version} ${one.type}`)
    expect(seen.sort()).toEqual(['gone 1 created', 'gone 2 deleted', 'kept 1 created', 'kept 2 updated'])
    expect(await host().sql('select distinct status from outbox where tenant_id = $1::integer', [ada.tenantId])).toEqual([{ status: 'sent' }])
    expect(ok(await call(ada, 'GET', '/v1/outbox/summary')).body.items).toMatchObject([{ tenant: ada.tenant, pending: 0, dead: 0 }])
    const vectors = await host().sql<{ version: number }>('select version from vectors where tenant_id = $1::integer', [ada.tenantId])
    expect(vectors).toEqual([{ version: 2 }])
  })

  test('a tenant sees nothing of another by any way', async () => {
    const [ada, eve] = [await host().tenant(), await host().tenant()]
    const id = await store(ada, { text: 'the secret of Utsira', coord: '1,2,3' })
    await settle(ada, id, 1)
    expect((await call(eve, 'GET', `/v1/memories/${id}`)).status).toBe(404)
    expect((await call(eve, 'PATCH', `/v1/memories/${id}`, { text: 'mine' })).status).toBe(404)
    expect((await call(eve, 'DELETE', `/v1/memories/${id}`)).status).toBe(404)
    for (const mode of ['hybrid', 'lexical', 'vector']) expect(texts(ok(await recall(eve, 'the secret of Utsira', { mode })))).toEqual([])
    expect(texts(ok(await call(eve, 'POST', '/v1/memories/list', {})))).toEqual([])
    const own = await store(eve, { text: 'of Eve' })
    const linked = await Promise.all([id, unknown].map((to) => call(eve, 'POST', '/v1/links', { from: own, to })))
    expect(linked.map(({ status }) => status)).toEqual([422, 422])
    expect(ok(await call(eve, 'GET', '/range?min=0,0,0&max=9,9,9')).body.coords).toEqual([])
    expect(texts(await recall(ada, 'the secret of Utsira'))).toEqual(['the secret of Utsira'])
  })

  test("the guides' surface stores by coord and finds the payload", async () => {
    const ada = await host().tenant()
    expect(ok(await call(ada, 'POST', '/store', { coord: '1,2,3', payload: { task: 'water the orchids' } })).body).toMatchObject({ ok: true, version: 1 })
    expect(ok(await call(ada, 'GET', '/recall?query=orchids')).body.matches).toEqual([{ task: 'water the orchids' }])
    expect(ok(await call(ada, 'GET', '/stats')).body.total_memories).toBe(1)
    ok(await call(ada, 'DELETE', '/memories/1,2,3'))
    expect(ok(await call(ada, 'GET', '/recall?query=orchids')).body.matches).toEqual([])
  })

  test('keys are made and revoked, and use is counted and rolled up', async () => {
    const ada = await host().tenant()
    const made = ok(await call(ada, 'POST', '/v1/keys', { name: 'agent', scopes: ['memory:read', 'memory:write'] }), 201).body
    const agent = { ...ada, key: made.key }
    await store(agent, { text: 'by the agent' })
    ok(await call(ada, 'DELETE', `/v1/keys/${made.id}`), 204)
    // each process believes a key that it has just checked for some seconds
    await until(async () => (await call(agent, 'POST', '/v1/memories/list', {})).status === 401)
    await host().job('rollup-usage')
    expect(ok(await call(ada, 'GET', '/v1/usage')).body.totals).toMatchObject({ memories: 1, stores: 1 })
    expect(ok(await call(ada, 'GET', '/v1/namespaces')).body.items).toMatchObject([{ memories: 1 }])
  })

  test('it says that it is alive and ready, and describes itself', async () => {
    expect(ok(await call(null, 'GET', '/healthz')).body).toEqual({ status: 'ok' })
    expect(ok(await call(null, 'GET', '/readyz')).body.status).toBe('ok')
    expect(ok(await call(null, 'GET', '/metrics', undefined, { authorization: `Bearer ${metricsToken}` })).text).toContain('outbox_pending{tenant="default"}')
    expect(ok(await call(null, 'GET', '/openapi.json')).body.openapi).toMatch(/^3\.1/)
  })

  if (!streams) return
  test('what is exported comes in again elsewhere', async () => {
    const [ada, bob] = [await host().tenant(), await host().tenant()]
    await store(ada, { text: 'packed' })
    const { text } = ok(await call(ada, 'GET', '/v1/export'))
    ok(await call(bob, 'POST', '/v1/import', text, { 'content-type': 'application/x-ndjson' }))
    expect(texts(await call(bob, 'POST', '/v1/memories/list', {}))).toEqual(['packed'])
  })
}
