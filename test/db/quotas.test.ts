import { expect, test } from 'vitest'
import { restore } from '../../shared/backup/index.ts'
import type { OwnLimits } from '../../shared/tenant/index.ts'
import { backedUp, withTarget } from '../support/archives.ts'
import { type Answer, type Caller, describeEngines } from '../support/engines.ts'
import { importOf, memory, uuid } from '../support/transfer.ts'
import { adminSql } from './admin.ts'

describeEngines('quotas', (product) => {
  const limited = async (limits: OwnLimits): Promise<Caller> => {
    const caller = await product().tenant()
    await setLimits(caller, limits)
    return caller
  }
  const setLimits = (caller: Caller, limits: OwnLimits) =>
    adminSql(product(), 'update tenants set limits = $2::jsonb where tenant_id = $1::integer', [caller.tenantId, JSON.stringify(limits)])
  const store = (caller: Caller, more: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
    product().call(caller, 'POST', '/v1/memories', { text: 'ten bytes.', ...more }, headers)
  const bulk = (caller: Caller, items: Record<string, unknown>[], more = {}) => product().call(caller, 'POST', '/v1/memories/bulk', { items, ...more })
  const texts = (count: number) => Array.from({ length: count }, (_, i) => ({ text: `item ${i}` }))
  const total = async (caller: Caller): Promise<number> => (await product().call(caller, 'GET', '/stats')).body.total_memories
  const statuses = (answers: Answer[]) => answers.map(({ status }) => status)
  const blocks = (caller: Caller) => adminSql(product(), 'select * from quota_blocks where tenant_id = $1::integer', [caller.tenantId])

  test('as many memories as the tenant may hold, to the last; what is forgotten makes room at once', async () => {
    const caller = await limited({ memories: 5 })
    const answers: Answer[] = []
    for (let i = 0; i < 6; i++) answers.push(await store(caller))
    expect(statuses(answers)).toEqual([201, 201, 201, 201, 201, 402])
    const refused = answers[5] as Answer
    expect(refused.body).toMatchObject({ code: 'budget_exhausted', detail: 'The tenant may hold 5 memories, and there is room for 0: forget some, or ask for a higher limit.' })
    expect(refused.headers.get('ratelimit-policy')).toBe('"memories";q=5')
    expect(refused.headers.get('ratelimit')).toBe('"memories";r=0')
    expect(refused.headers.get('retry-after')).toBeNull()
    expect((await product().call(caller, 'DELETE', `/v1/memories/${answers[0]?.body.id}`)).status).toBe(204)
    expect(statuses([await store(caller), await store(caller)])).toEqual([201, 402])
    const match = { filters: { text: 'ten bytes.' }, namespace: 'default' }
    const { confirm } = (await product().call(caller, 'POST', '/v1/memories/forget', match)).body
    expect((await product().call(caller, 'POST', '/v1/memories/forget', { ...match, confirm })).body).toEqual({ deleted: 5 })
    expect((await bulk(caller, texts(5))).status).toBe(200)
    // the rollup moves the numbers, and changes none
    await product().settle()
    expect(statuses([await store(caller)])).toEqual([402])
  })

  test('at the limit, what is there can still be changed, when it grows by nothing', async () => {
    const caller = await limited({ memories: 2, bytes: 100_000 })
    const first = await store(caller, { coord: '1' })
    await store(caller)
    expect((await store(caller, { coord: '1', text: 'another' })).body).toMatchObject({ id: first.body.id, version: 2 })
    expect((await product().call(caller, 'PATCH', `/v1/memories/${first.body.id}`, { text: 'once more' })).status).toBe(200)
    expect((await store(caller, { coord: '2' })).status).toBe(402)
    // the same place twice in a call is one memory
    await product().call(caller, 'DELETE', `/v1/memories/${first.body.id}`)
    expect((await product().call(caller, 'POST', '/store_bulk', { items: [1, 2].map((n) => ({ coord: '7', payload: { n } })) })).status).toBe(200)
    expect(await total(caller)).toBe(2)
  })

  test('bytes are those of /v1/usage', async () => {
    const caller = await limited({ bytes: 400 })
    let answer = await store(caller)
    for (; answer.status === 201; answer = await store(caller)) {}
    expect(answer.body).toMatchObject({
      code: 'budget_exhausted',
      detail: expect.stringMatching(/^The tenant may hold 400 bytes, and there is room for \d+: forget some memories/),
    })
    const { bytes, memories } = (await product().call(caller, 'GET', '/v1/usage')).body.totals
    const left = Number(/room for (\d+)/.exec(answer.body.detail)?.[1])
    expect(bytes + left).toBe(400)
    expect(left).toBeLessThan(bytes / memories)
    expect(
      (await product().call(caller, 'PATCH', `/v1/memories/${(await product().call(caller, 'POST', '/v1/memories/list', {})).body.items[0].id}`, { text: 'x'.repeat(400) })).status,
    ).toBe(402)
  })

  test('writes of a day are versions; a store that fails or is repeated uses none', async () => {
    const caller = await limited({ daily_writes: 4 })
    const key = { 'idempotency-key': 'once' }
    const first = await store(caller, { coord: '1' }, key)
    for (let i = 0; i < 3; i++) expect((await store(caller, { coord: '1' }, key)).headers.get('idempotent-replayed')).toBe('true')
    for (let i = 0; i < 3; i++) expect((await store(caller, { supersedes: uuid(99) })).status).toBe(422)
    expect((await bulk(caller, [{ text: 'a', idempotency_key: 'item' }])).body.created).toBe(1)
    expect((await bulk(caller, [{ text: 'a', idempotency_key: 'item' }])).body.duplicate).toBe(1)
    // all or none, atomic or not
    expect((await bulk(caller, texts(3), { atomic: false })).status).toBe(429)
    expect((await product().call(caller, 'PATCH', `/v1/memories/${first.body.id}`, { importance: 2 })).status).toBe(200)
    expect((await store(caller)).status).toBe(201)
    const refused = await store(caller)
    expect(refused).toMatchObject({
      status: 429,
      body: { code: 'rate_limited', detail: 'The tenant may store 4 versions a day (UTC), and 0 are left today: fewer than this takes.' },
    })
    const wait = Number(refused.headers.get('retry-after'))
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(86_400)
    expect(refused.headers.get('ratelimit-policy')).toBe('"daily-writes";q=4;w=86400')
    expect(refused.headers.get('ratelimit')).toMatch(/^"daily-writes";r=0;t=\d+$/)
    // what a repeated call did stays its answer, and reading and forgetting need no writes
    expect((await store(caller, { coord: '1' }, key)).headers.get('idempotent-replayed')).toBe('true')
    expect((await product().call(caller, 'DELETE', `/v1/memories/${first.body.id}`)).status).toBe(204)
    expect((await store(caller)).status).toBe(429)
  })

  test('another day, another number of writes', async () => {
    const caller = await limited({ daily_writes: 40 })
    expect((await bulk(caller, texts(40))).status).toBe(200)
    expect((await store(caller)).status).toBe(429)
    // what was stored and set aside today becomes that of yesterday
    await adminSql(product(), `update usage_deltas set at = at - interval '1 day' where tenant_id = $1::integer`, [caller.tenantId])
    await adminSql(product(), 'update quota_blocks set day = day - 1 where tenant_id = $1::integer', [caller.tenantId])
    expect((await bulk(caller, texts(39))).status).toBe(200)
    expect(statuses([await store(caller), await store(caller)])).toEqual([201, 429])
  })

  test('an import is held to them too, and goes on where it was refused', async () => {
    const caller = await limited({ memories: 3 })
    const lines = [1, 2, 3, 4].map((n) => memory(n))
    expect((await importOf(product(), caller, lines)).status).toBe(402)
    expect((await importOf(product(), caller, lines.slice(0, 3))).body).toMatchObject({ imported: 3 })
    await setLimits(caller, { memories: 4 })
    expect((await importOf(product(), caller, lines)).body).toMatchObject({ imported: 1 })
  })

  test('a limit that changes holds from the next store on, lower than what is there too', async () => {
    const caller = await limited({ memories: 1000 })
    expect((await bulk(caller, texts(10))).status).toBe(200)
    expect(await blocks(caller)).not.toEqual([])
    await setLimits(caller, { memories: 5 })
    expect((await store(caller)).status).toBe(402)
    const [{ id }] = (await product().call(caller, 'POST', '/v1/memories/list', {})).body.items
    expect((await product().call(caller, 'PATCH', `/v1/memories/${id}`, { importance: 3 })).status).toBe(200)
    await setLimits(caller, { memories: 11 })
    expect(statuses([await store(caller), await store(caller)])).toEqual([201, 402])
    await setLimits(caller, { memories: 'unlimited' })
    expect((await store(caller)).status).toBe(201)
    await setLimits(caller, { memories: 0 })
    expect((await store(caller)).status).toBe(402)
  })

  test('many at once never pass a limit, and none is refused while there is room', async () => {
    const caller = await limited({ memories: 300, daily_writes: 10_000 })
    const answers = await Promise.all(Array.from({ length: 400 }, () => store(caller)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(300)
    expect(answers.filter(({ status }) => status === 402)).toHaveLength(100)
    expect(await total(caller)).toBe(300)
  })

  test('a restore brings the limits back, and is not held to them', async () => {
    const caller = await limited({ memories: 9 })
    expect((await bulk(caller, texts(9))).status).toBe(200)
    await setLimits(caller, { memories: 3, request_rate: '1000/s' })
    const { place } = await backedUp(product())
    await withTarget(product().engine, async (target) => {
      await restore(target.local.db.owner, place)
      expect((await target.call(caller, 'GET', '/stats')).body.total_memories).toBe(9)
      const refused = await target.call(caller, 'POST', '/v1/memories', { text: 'one more' })
      expect(refused.status).toBe(402)
      expect(refused.headers.get('ratelimit-policy')).toBe('"memories";q=3, "tenant";q=1000;w=1')
    })
  }, 90_000)

  test('without a limit nothing is set aside', async () => {
    const caller = await product().tenant()
    expect((await bulk(caller, texts(10))).status).toBe(200)
    expect(await blocks(caller)).toEqual([])
  })
})
