import { beforeAll, expect, test } from 'vitest'
import { forgetAtOnce } from '../../shared/memory/index.ts'
import { createOperation } from '../../shared/operation/index.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, capture, loseWakeUps, rowCounts } from './admin.ts'

describeEngines('forgetting by filter', (product) => {
  beforeAll(() => loseWakeUps(product()))
  const forget = (caller: Caller, body: object, headers = {}) => product().call(caller, 'POST', '/v1/memories/forget', body, headers)
  const list = async (caller: Caller, body: object = {}) =>
    (await product().call(caller, 'POST', '/v1/memories/list', { ...body, order_by: 'created_at asc' })).body.items.map((one: { text: string }) => one.text)
  const store = (caller: Caller, items: object[]) => product().call(caller, 'POST', '/v1/memories/bulk', { items })

  test('a dry run counts and changes nothing; its confirm forgets exactly that, everywhere and with an event and a tombstone each', async () => {
    const { call, settle, tenant } = product()
    const ada = await tenant()
    await store(ada, [
      { text: 'tea at four', tags: ['old'], user_id: 'u' },
      { text: 'tea at five', tags: ['old'], user_id: 'v' },
      { text: 'tea at six', user_id: 'u' },
    ])
    await settle()
    const before = await rowCounts(product(), ada, ['memories', 'memory_versions', 'outbox', 'audit_log'])
    const query = { filters: { tags: { contains: 'old' } } }
    const dry = await forget(ada, query)
    expect([dry.status, dry.body.matched]).toEqual([200, 2])
    expect(await rowCounts(product(), ada, ['memories', 'memory_versions', 'outbox', 'audit_log'])).toEqual(before)
    const done = await forget(ada, { ...query, confirm: dry.body.confirm })
    expect([done.status, done.body]).toEqual([200, { deleted: 2 }])
    expect(await list(ada)).toEqual(['tea at six'])
    for (const mode of ['lexical', 'vector', 'hybrid']) {
      const found = await call(ada, 'POST', '/v1/recall', { query: 'tea', mode })
      expect([mode, found.body.results.map((one: { text: string }) => one.text)]).toEqual([mode, ['tea at six']])
    }
    expect((await call(ada, 'GET', '/stats')).body.total_memories).toBe(1)
    const published = capture(product())
    await published.drain()
    expect(published.of(ada).map((record) => JSON.parse(record.value as string).type)).toEqual(['deleted', 'deleted'])
    const [audit] = await adminSql<{ detail: { ids: string[] } }>(product(), `select detail from audit_log where tenant_id = $1::integer and action = 'memory.forget'`, [
      ada.tenantId,
    ])
    expect(audit?.detail.ids).toHaveLength(2)
  })

  test('superseded, not yet valid and untouched memories of a user all go, and those of a user with a longer or wilder name stay', async () => {
    const { tenant } = product()
    const ada = await tenant()
    const first = (await product().call(ada, 'POST', '/v1/memories', { text: 'lives in Oslo', user_id: 'u1' })).body
    await store(ada, [
      { text: 'lives in Lisbon', user_id: 'u1', supersedes: first.id },
      { text: 'will move', user_id: 'u1', valid_from: '2099-01-01T00:00:00Z' },
      { text: 'of u10', user_id: 'u10' },
      { text: 'of nobody' },
      { text: 'of star', user_id: '*' },
    ])
    const dry = await forget(ada, { user_id: 'u1' })
    expect(dry.body.matched).toBe(3)
    await forget(ada, { user_id: 'u1', confirm: dry.body.confirm })
    expect(await list(ada)).toEqual(['of u10', 'of nobody', 'of star'])
    expect((await forget(ada, { user_id: '*' })).body.matched).toBe(1)
    expect((await forget(ada, { user_id: '%' })).body.matched).toBe(0)
  })

  test('when the match has changed since the dry run, nothing is forgotten', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const stored = await store(ada, [
      { text: 'a', user_id: 'u' },
      { text: 'b', user_id: 'u' },
    ])
    const [{ id }] = stored.body.results
    for (const change of [
      () => store(ada, [{ text: 'c', user_id: 'u' }]),
      () => call(ada, 'PATCH', `/v1/memories/${id}`, { importance: 3 }),
      () => call(ada, 'DELETE', `/v1/memories/${id}`),
    ]) {
      const { confirm } = (await forget(ada, { user_id: 'u' })).body
      await change()
      const refused = await forget(ada, { user_id: 'u', confirm })
      expect([refused.status, refused.body.code]).toEqual([409, 'conflict'])
    }
    expect(await list(ada)).toEqual(['b', 'c'])
  })

  test('a confirm holds for its own query and tenant only, and a query must say what to forget', async () => {
    const { tenant } = product()
    const [ada, eve] = [await tenant(), await tenant()]
    for (const caller of [ada, eve]) await store(caller, [{ text: 'a', user_id: 'u' }])
    const { confirm } = (await forget(ada, { user_id: 'u' })).body
    const pointer = async (caller: Caller, body: object) => {
      const { status, body: problem } = await forget(caller, body)
      return [status, problem.errors?.[0]?.pointer]
    }
    expect(await pointer(ada, { user_id: 'v', confirm })).toEqual([422, '/confirm'])
    expect(await pointer(ada, { user_id: 'u', namespace: 'other', confirm })).toEqual([422, '/confirm'])
    expect(await pointer(eve, { user_id: 'u', confirm })).toEqual([422, '/confirm'])
    expect(await pointer(ada, { user_id: 'u', confirm: `${confirm}x` })).toEqual([422, '/confirm'])
    expect(await pointer(ada, {})).toEqual([422, '/filters'])
    expect(await pointer(ada, { namespace: 'default' })).toEqual([422, '/filters'])
    expect(await pointer(ada, { user_id: 'u', dry_run: false })).toEqual([422, '/confirm'])
    expect(await pointer(ada, { user_id: 'u', dry_run: true, confirm })).toEqual([422, '/dry_run'])
    expect(await pointer(ada, { filters: { nonsense: 1 } })).toEqual([422, '/filters/nonsense'])
    expect((await forget(await tenant(['memory:read', 'memory:write']), { user_id: 'u' })).status).toBe(403)
    expect([await list(ada), await list(eve)]).toEqual([['a'], ['a']])
  })

  test('the same call with the same key answers the same again', async () => {
    const { tenant } = product()
    const ada = await tenant()
    await store(ada, [{ text: 'a', user_id: 'u' }])
    const { confirm } = (await forget(ada, { user_id: 'u' })).body
    const key = { 'idempotency-key': 'once' }
    expect((await forget(ada, { user_id: 'u', confirm }, key)).body).toEqual({ deleted: 1 })
    const again = await forget(ada, { user_id: 'u', confirm }, key)
    expect([again.status, again.body, again.headers.get('idempotent-replayed')]).toEqual([200, { deleted: 1 }, 'true'])
    expect((await forget(ada, { user_id: 'v', confirm }, key)).status).toBe(422)
  })

  test('more than can be forgotten before the answer become an operation, which spares what changed meanwhile and goes on where a run ended', async () => {
    const { call, tenant, local } = product()
    const ada = await tenant()
    for (let i = 0; i <= forgetAtOnce; i += 500)
      await store(
        ada,
        Array.from({ length: Math.min(500, forgetAtOnce + 1 - i) }, (_, k) => ({ text: `n ${i + k}`, user_id: 'u' })),
      )
    const dry = await forget(ada, { user_id: 'u' })
    expect(dry.body.matched).toBe(forgetAtOnce + 1)
    const accepted = await forget(ada, { user_id: 'u', confirm: dry.body.confirm })
    expect([accepted.status, Object.keys(accepted.body)]).toEqual([202, ['operation']])
    const operation = async () => (await call(ada, 'GET', `/v1/operations/${accepted.body.operation}`)).body
    expect(await operation()).toMatchObject({ kind: 'forget', state: 'pending', progress: 0, result: null })
    const [changed] = (await call(ada, 'POST', '/v1/memories/list', { user_id: 'u', limit: 1 })).body.items
    await call(ada, 'PATCH', `/v1/memories/${changed.id}`, { text: 'kept' })
    await store(ada, [{ text: 'newer', user_id: 'u' }])
    const ending = new AbortController()
    const first = local.runJob('run-operations', ending.signal)
    setTimeout(() => ending.abort(), 100)
    await first
    await local.runJob('run-operations')
    expect(await operation()).toMatchObject({ state: 'succeeded', progress: 1, result: { deleted: forgetAtOnce, changed: 1 } })
    expect((await list(ada)).sort()).toEqual(['kept', 'newer'])
    // what it was asked for is not kept longer than it takes
    const [asked] = await adminSql<{ request: object }>(product(), 'select request from operations where tenant_id = $1::integer', [ada.tenantId])
    expect(asked?.request).toEqual({})
    expect((await call(await tenant(), 'GET', `/v1/operations/${accepted.body.operation}`)).status).toBe(404)
    expect((await call(ada, 'GET', '/v1/operations/none')).status).toBe(404)
  }, 120_000)
})

describeEngines('operations', (product) => {
  beforeAll(() => loseWakeUps(product()))

  test('one that cannot be carried out ends as failed, without a word of the reason, and holds up no other', async () => {
    const { call, ctx, tenant, local } = product()
    const [ada, eve] = [await tenant(), await tenant()]
    const create = (caller: Caller, request: object) =>
      local.db.app.transaction({ role: 'soma_app', tenantId: caller.tenantId }, (tx) => createOperation(tx, ctx(caller), 'forget', request as Record<string, unknown>))
    const broken = await create(ada, { keys: ['not a key'], versions: [1] })
    const empty = await create(eve, { keys: [], versions: [] })
    const missing = await create(ada, {})
    await expect(local.runJob('run-operations')).rejects.toThrow('1 operations could not be carried out')
    const state = async (caller: Caller, id: string) => (await call(caller, 'GET', `/v1/operations/${id}`)).body
    expect(await state(ada, broken)).toMatchObject({ state: 'failed', problem: { code: 'invalid', detail: 'A value has the wrong form.' } })
    expect(await state(ada, missing)).toMatchObject({ state: 'failed', problem: { code: 'internal', detail: 'It could not be carried out; the reason is in the log.' } })
    expect(await state(eve, empty)).toMatchObject({ state: 'succeeded', progress: 1, result: { deleted: 0, changed: 0 } })
    expect(await local.runJob('run-operations')).toMatchObject({ done: 0 })
  })
})

describeEngines('expiry', (product) => {
  beforeAll(() => loseWakeUps(product()))

  test('what has expired becomes history by the job: a tombstone, an event, no words, no count; the rest stays', async () => {
    const { call, settle, tenant, local } = product()
    const ada = await tenant()
    const { id } = (await call(ada, 'POST', '/v1/memories', { text: 'brief', expires_at: '2099-01-01T00:00:00Z' })).body
    await call(ada, 'POST', '/v1/memories', { text: 'lasting', ttl_seconds: 3_600 })
    await settle()
    await adminSql(product(), `update memories set expires_at = now() - interval '1 second' where tenant_id = $1::integer and id = $2::uuid`, [ada.tenantId, id])
    expect((await call(ada, 'GET', `/v1/memories/${id}`)).status).toBe(404)
    await local.runJob('expire')
    const { items } = (await call(ada, 'GET', `/v1/memories/${id}/history`)).body
    expect(items.map(({ version, state, text }: Record<string, unknown>) => [version, state, text])).toEqual([
      [1, 'closed', 'brief'],
      [2, 'deleted', ''],
    ])
    expect((await call(ada, 'GET', '/stats')).body.total_memories).toBe(1)
    expect(await rowCounts(product(), ada, ['memories', 'postings', 'closed_postings', 'vectors', 'closed_vectors'])).toEqual({
      memories: 1,
      postings: 1,
      closed_postings: 1,
      vectors: 1,
      closed_vectors: 1,
    })
    const published = capture(product())
    await published.drain()
    expect(published.of(ada).map((record) => JSON.parse(record.value as string).type)).toEqual(['deleted'])
    expect(await local.runJob('expire')).toMatchObject({ done: 0, remaining: false })
  })

  test('a tenant whose memories cannot expire holds up no other, and the job says so', async () => {
    const { call, tenant, local } = product()
    const [ada, eve] = [await tenant(), await tenant()]
    for (const caller of [ada, eve]) {
      await call(caller, 'POST', '/v1/memories', { text: 'brief', expires_at: '2099-01-01T00:00:00Z' })
      await adminSql(product(), `update memories set expires_at = now() - interval '1 second' where tenant_id = $1::integer`, [caller.tenantId])
    }
    await adminSql(product(), 'update memories set version = 2147483647 where tenant_id = $1::integer', [ada.tenantId])
    await expect(local.runJob('expire')).rejects.toThrow(`The work for tenant ${ada.tenantId} failed: A number is out of range.`)
    expect(await rowCounts(product(), eve, ['memories'])).toEqual({ memories: 0 })
    await adminSql(product(), 'delete from memories where tenant_id = $1::integer', [ada.tenantId])
  })
})
