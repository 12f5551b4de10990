import { randomBytes } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { type Scope, systemTenantId } from '../../shared/tenant/index.ts'
import { insertKey } from '../../shared/tenant/keys.ts'
import { rollupUsage } from '../../shared/usage/index.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { adminSql, loseWakeUps, rowCounts } from './admin.ts'

const signal = new AbortController().signal

describeEngines('counting', (product) => {
  beforeAll(() => loseWakeUps(product()))
  const stats = async (caller: Caller) => {
    const { total_memories: total, episodic, semantic } = (await product().call(caller, 'GET', '/stats')).body
    return [total, episodic, semantic]
  }

  test('stats are exact after each store, new version, patch and delete, before the rollup and after', async () => {
    const { call, tenant } = product()
    const [ada, bob] = [await tenant(), await tenant()]
    await call(bob, 'POST', '/v1/memories', { text: 'of another tenant' })
    const id = async (body: object) => (await call(ada, 'POST', '/v1/memories', body)).body.id
    const steps: [() => Promise<unknown>, number[]][] = [
      [() => id({ text: 'an episode' }), [1, 1, 0]],
      [() => id({ text: 'a fact', memory_type: 'semantic', user_id: 'u' }), [2, 1, 1]],
      [() => id({ text: 'a skill', memory_type: 'procedural', namespace: 'n' }), [3, 1, 1]],
      [() => id({ text: 'a place', coord: '1' }), [4, 2, 1]],
      [() => id({ text: 'a place again', coord: '1', memory_type: 'semantic' }), [4, 1, 2]],
      [() => call(ada, 'POST', '/v1/memories/bulk', { items: ['x', 'y', 'z'].map((text) => ({ coord: '2', text })) }), [5, 2, 2]],
      [async () => call(ada, 'PATCH', `/v1/memories/${await id({ text: 'to change' })}`, { memory_type: 'semantic' }), [6, 2, 3]],
      [async () => call(ada, 'DELETE', `/v1/memories/${await id({ text: 'to forget' })}`), [6, 2, 3]],
      [async () => id({ text: 'newer', supersedes: await id({ text: 'older' }) }), [8, 4, 3]],
      [() => call(ada, 'POST', '/v1/memories', { text: '' }), [8, 4, 3]],
    ]
    for (const [step, expected] of steps) {
      await step()
      expect(await stats(ada)).toEqual(expected)
      await product().local.runJob('rollup-usage')
      expect(await stats(ada)).toEqual(expected)
    }
    expect(await stats(bob)).toEqual([1, 1, 0])
    expect(await rowCounts(product(), ada, ['usage_deltas'])).toEqual({ usage_deltas: 0 })
  })

  test('the counters of each scope are what counting its memories gives', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const items = Array.from({ length: 60 }, (_, i) => ({
      text: `note ${i} ${'word '.repeat(i % 4)}`,
      user_id: ['u', 'v', undefined][i % 3],
      namespace: ['default', 'n'][i % 2],
      coord: `${i % 40}`,
    }))
    await call(ada, 'POST', '/v1/memories/bulk', { items })
    await product().local.runJob('rollup-usage')
    const counted = await adminSql(
      product(),
      `select k.scope_key, count(*)::text as memories, sum(m.bytes)::text as bytes, sum(m.term_count)::text as terms
       from memories m cross join lateral (values (m.namespace_key), (m.user_key)) k (scope_key) where m.tenant_id = $1::integer and k.scope_key is not null group by 1 order by 1`,
      [ada.tenantId],
    )
    expect(counted.length).toBeGreaterThan(4)
    const folded = await adminSql(product(), 'select scope_key, memories, bytes, terms from scope_stats where tenant_id = $1::integer and memories > 0 order by 1', [ada.tenantId])
    expect(folded).toEqual(counted)
    const [hours] = await adminSql(product(), 'select sum(stores)::text as stores, sum(memories)::text as memories from usage_hours where tenant_id = $1::integer', [ada.tenantId])
    const [present] = await adminSql<{ n: string }>(product(), 'select count(*) as n from memories where tenant_id = $1::integer', [ada.tenantId])
    expect(hours).toEqual({ stores: '60', memories: present?.n })
  })

  test('rollups at the same moment, and while memories are stored, count each row once', async () => {
    const { call, tenant, local } = product()
    const ada = await tenant()
    const writers = Array.from({ length: 20 }, (_, i) => call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: `a ${i}` }, { text: `b ${i}`, memory_type: 'semantic' }] }))
    const rollups = Array.from({ length: 6 }, () => rollupUsage(local.db.worker, signal))
    await Promise.all([...writers, ...rollups])
    expect(await stats(ada)).toEqual([40, 20, 20])
    await Promise.all([rollupUsage(local.db.worker, signal), rollupUsage(local.db.worker, signal)])
    await rollupUsage(local.db.worker, signal)
    expect(await stats(ada)).toEqual([40, 20, 20])
    expect(await rowCounts(product(), ada, ['usage_deltas'])).toEqual({ usage_deltas: 0 })
  })
})

/** A key of the system tenant, which no HTTP call can make. */
async function systemCaller(product: Product): Promise<Caller> {
  const scopes: Scope[] = ['platform:tenants', 'admin']
  const key = await product.local.db.worker.transaction({ role: 'soma_worker', tenantId: systemTenantId }, (tx) => insertKey(tx, systemTenantId, 'local', { name: '', scopes }))
  return { tenant: 'system', tenantId: systemTenantId, key: key.key as string }
}

describeEngines('the audit log', (product) => {
  type Entry = { action: string; target: string | null; request_id: string; actor: string; detail: { ids: string[] } | null }
  const entries = (caller: Caller) =>
    adminSql<Entry>(product(), 'select action, target, request_id, actor, detail from audit_log where tenant_id = $1::integer order by seq', [caller.tenantId])
  const request = (id: string) => ({ 'x-request-id': id })

  test('every change of a memory is one row, with who did it and in which request; what failed or was repeated is none', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'one' }, { ...request('r1'), 'idempotency-key': 'k' })
    await call(ada, 'POST', '/v1/memories', { text: 'one' }, { ...request('r1b'), 'idempotency-key': 'k' })
    await call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: 'two' }, request('r2'))
    await call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: 'three' }, { ...request('r2b'), 'if-match': '"9"' })
    await call(ada, 'DELETE', `/v1/memories/${body.id}`, undefined, request('r3'))
    await call(ada, 'DELETE', `/v1/memories/${body.id}`, undefined, request('r3b'))
    const bulk = await call(ada, 'POST', '/v1/memories/bulk', { items: [{ text: 'a' }, { text: 'b' }] }, request('r4'))
    const ids = bulk.body.results.map((one: { id: string }) => one.id)
    const actor = `key:${ada.key.split('-')[1]?.split('_')[0]}`
    expect(await entries(ada)).toEqual([
      { action: 'memory.store', target: body.id, request_id: 'r1', actor, detail: null },
      { action: 'memory.patch', target: body.id, request_id: 'r2', actor, detail: null },
      { action: 'memory.forget', target: body.id, request_id: 'r3', actor, detail: null },
      { action: 'memory.store', target: null, request_id: 'r4', actor, detail: { ids } },
    ])
  })

  test('keys that are made and revoked stand in the log of their tenant', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/keys', { name: 'reader', scopes: ['memory:read'] }, request('r1'))
    await call(ada, 'DELETE', `/v1/keys/${body.id}`, undefined, request('r2'))
    await call(ada, 'DELETE', `/v1/keys/${body.id}`, undefined, request('r3'))
    expect((await entries(ada)).map(({ action, target, request_id: id }) => [action, target, id])).toEqual([
      ['key.create', body.id, 'r1'],
      ['key.revoke', body.id, 'r2'],
    ])
  })

  test('tenants that are made, suspended and resumed stand in the log of the platform', async () => {
    const { call } = product()
    const system = await systemCaller(product())
    const name = `t-${randomBytes(6).toString('hex')}`
    const made = await call(system, 'POST', '/v1/tenants', { name })
    expect(made.status).toBe(201)
    expect((await call(system, 'POST', '/v1/tenants', { name })).status).toBe(409)
    for (const status of ['suspended', 'active']) await call(system, 'PATCH', `/v1/tenants/${name}`, { status })
    const log = await entries(system)
    expect(log.filter(({ target }) => target === name).map(({ action }) => action)).toEqual(['tenant.create', 'tenant.suspend', 'tenant.resume'])
  })
})
