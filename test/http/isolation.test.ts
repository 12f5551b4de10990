import { expect, test } from 'vitest'
import { operations } from '../../shared/http/index.ts'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { expectProblem, tenantTables } from './checks.ts'

/** The same memories for everybody but for a word that only its tenant may ever read. */
const plant = (canary: string) => ({
  items: Array.from({ length: 6 }, (_, i) => ({
    text: `The red fox jumps over the river ${i} ${canary}`,
    user_id: 'u',
    session_id: 's',
    coord: `${i},0`,
    tags: ['fox'],
    metadata: { place: 'river', secret: canary },
    payload: { note: canary, place: 'river' },
    idempotency_key: `key-${i}`,
  })),
})
type Home = { caller: Caller; canary: string; ids: string[]; cursor: string; historyId: string; keyId: string }

describeEngines('two tenants with the same content', (product) => {
  const call = (caller: Caller, method: string, path: string, body?: unknown, headers?: Record<string, string>) => product().call(caller, method, path, body, headers)

  async function home(canary: string): Promise<Home> {
    const caller = await product().tenant()
    const stored = await call(caller, 'POST', '/v1/memories/bulk', plant(canary))
    expect(stored.body, stored.text).toMatchObject({ created: 6 })
    const ids = stored.body.results.map((one: { id: string }) => one.id)
    await call(caller, 'PATCH', `/v1/memories/${ids[5]}`, { importance: 3 })
    const forgotten = await call(caller, 'POST', '/v1/memories', { text: `forgotten ${canary}` })
    await call(caller, 'DELETE', `/v1/memories/${forgotten.body.id}`)
    const { body: page } = await call(caller, 'POST', '/v1/memories/list', { limit: 2, user_id: 'u' })
    const { body: key } = await call(caller, 'POST', '/v1/keys', { name: canary })
    await product().settle()
    return { caller, canary, ids, cursor: page.next_cursor, historyId: forgotten.body.id, keyId: key.id }
  }

  test('no operation with the other’s ids, coords, cursors, keys, filters or successors shows or changes a byte of it', async () => {
    const ada = await home('canary-of-ada-7f3k')
    const eve = await home('canary-of-eve-9q2x')
    const before = await everything(ada)
    const seen = new Set<string>()
    const answers: Answer[] = []
    const attempt = async (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> => {
      const operation = operations.find((one) => one.method === method && new RegExp(`^${one.path.replace(/:\w+/g, '[^/]+')}$`).test(path.split('?')[0] as string))
      if (operation) seen.add(operation.id)
      const answer = await call(eve.caller, method, path, body, headers)
      answers.push(answer)
      return answer
    }
    const { ids, canary, cursor, historyId, keyId } = ada
    for (const id of [...ids, historyId]) {
      expectProblem(await attempt('GET', `/v1/memories/${id}`), 'not_found')
      expectProblem(await attempt('GET', `/v1/memories/${id}/history`), 'not_found')
      expectProblem(await attempt('PATCH', `/v1/memories/${id}`, { text: 'mine now' }), 'not_found')
      expectProblem(await attempt('DELETE', `/v1/memories/${id}`), 'not_found')
      expectProblem(await attempt('DELETE', `/v1/memories/${id}`, undefined, { 'if-match': '"1"' }), 'not_found')
      expectProblem(await attempt('POST', '/v1/memories', { text: 'successor', supersedes: id }), 'invalid', '/supersedes')
      expectProblem(await attempt('POST', '/v1/memories/bulk', { items: [{ text: 'successor', supersedes: id }] }), 'invalid', '/items/0/supersedes')
      expect((await attempt('POST', '/v1/memories/list', { filters: { id } })).body.items).toEqual([])
    }
    expectProblem(await attempt('POST', '/v1/memories/list', { limit: 2, user_id: 'u', cursor }), 'invalid', '/cursor')
    expectProblem(await attempt('DELETE', `/v1/keys/${keyId}`), 'not_found')
    for (const filters of [
      { text: { contains: 'canary' } },
      { 'metadata.secret': { ne: 'x' } },
      { NOT: { 'payload.note': eve.canary } },
      { OR: [{ tags: { contains: 'fox' } }, { 'metadata.secret': canary }] },
    ]) {
      await attempt('POST', '/v1/memories/list', { filters, limit: 500 })
      await attempt('POST', '/v1/recall', { query: `red fox ${canary}`, filters, top_k: 100, explain: true })
    }
    for (const scope of [{}, { user_id: 'u' }, { session_id: 's' }]) {
      for (const mode of ['hybrid', 'lexical', 'vector']) await attempt('POST', '/v1/recall', { query: `red fox river ${canary}`, mode, top_k: 100, ...scope })
    }
    await attempt('POST', '/recall', { query: canary, top_k: 100 })
    await attempt('GET', `/recall?query=${canary}&top_k=100`)
    await attempt('GET', '/v1/keys')
    for (const header of [ada.caller.tenant, 'default', 'system', '']) expectProblem(await attempt('POST', '/v1/memories/list', {}, { 'x-tenant-id': header }), 'forbidden')
    for (const [method, path, body] of [
      ['GET', '/v1/tenants'],
      ['POST', '/v1/tenants', { name: 'eves-own' }],
      ['PATCH', `/v1/tenants/${ada.caller.tenant}`, { status: 'suspended' }],
    ] as const)
      expectProblem(await attempt(method, path, body), 'forbidden')
    // the same coords and the same idempotency keys are hers, not the other's
    const own = await attempt('POST', '/store', { coord: '0,0', payload: { note: 'eve' } }, { 'idempotency-key': 'key-0x' })
    expect(own.body).toMatchObject({ ok: true, id: eve.ids[0], version: 2 })
    expect((await attempt('POST', '/store_bulk', { items: [{ coord: '1,0', payload: { note: 'eve' } }] })).body.ids).toEqual([eve.ids[1]])
    expect((await attempt('POST', '/v1/memories/bulk', plant(eve.canary))).body.results.map((one: { id: string }) => one.id)).toEqual(eve.ids)
    expect((await attempt('GET', '/stats')).body).toMatchObject({ total_memories: 6 })
    await attempt('POST', '/v1/keys', { name: 'mine' })
    for (const path of ['/healthz', '/readyz', '/health', '/metrics', '/openapi.json', '/docs']) await attempt('GET', path)

    for (const answer of answers) {
      const refusal = answer.status >= 400
      // a query is hers to send: only what comes back from storage counts
      expect(answer.text, answer.text.slice(0, 300)).not.toContain(canary)
      for (const id of ada.ids) if (!refusal) expect(answer.text).not.toContain(id)
    }
    expect(operations.filter((operation) => !seen.has(operation.id)).map((operation) => operation.id)).toEqual([])
    await product().settle()
    expect(await everything(ada)).toEqual(before)
  })

  /** All that a tenant can read of itself, through the product and as rows. */
  async function everything({ caller, ids, historyId }: Home): Promise<unknown> {
    const listed = (await call(caller, 'POST', '/v1/memories/list', { limit: 500, order_by: 'created_at asc' })).body.items
    const histories = await Promise.all([...ids, historyId].map(async (id) => (await call(caller, 'GET', `/v1/memories/${id}/history`)).body.items))
    const keys = (await call(caller, 'GET', '/v1/keys')).body.items
    const recalled = (await call(caller, 'POST', '/v1/recall', { query: 'red fox', top_k: 100 })).body.results
    const counts: Record<string, unknown> = {}
    for (const table of await tenantTables(product())) {
      counts[table] = await product().local.db.owner.maintenance((sql) => sql.query(`select count(*) from ${table} where tenant_id = ${caller.tenantId}`))
    }
    return { listed, histories, keys, recalled, stats: (await call(caller, 'GET', '/stats')).body, counts }
  }

  test('recall of the same words gives each tenant the same scores, whatever the other stores', async () => {
    const ada = await home('first')
    const query = { query: 'which fox jumps over a river', top_k: 100, user_id: 'u' }
    const alone = (await call(ada.caller, 'POST', '/v1/recall', query)).body.results.map((one: { score: number }) => one.score)
    const eve = await product().tenant()
    await call(eve, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 300 }, () => ({ text: 'fox fox fox jumps river', user_id: 'u' })) })
    await product().settle()
    expect((await call(ada.caller, 'POST', '/v1/recall', query)).body.results.map((one: { score: number }) => one.score)).toEqual(alone)
  })
})
