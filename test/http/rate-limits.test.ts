import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../kafka/broker.ts'
import { openProduct, type Product } from '../support/engines.ts'

describe('rate limits without Redis, counted in the process', () => {
  let product: Product
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await openProduct('pglite', undefined, { RATE_LIMIT_TENANT: '8/h', RATE_LIMIT_KEY: '5/h', MAX_BATCH_RATE: '2/h', MAX_BATCH_SIZE: '3' })
    product = opened.product
    close = opened.close
  })
  afterAll(() => close?.())
  const operator = async () => {
    const [system] = await product.local.db.worker.transaction({ role: 'soma_worker', tenantId: null }, (tx) =>
      tx.query<{ name: string }>(`select name from tenants where tenant_id = 0`),
    )
    const { insertKey } = await import('../../shared/tenant/index.ts')
    const key = await product.local.db.worker.transaction({ role: 'soma_worker', tenantId: 0 }, (tx) => insertKey(tx, 0, 'local', { name: '', scopes: ['platform:tenants'] }))
    return { tenant: system?.name ?? '', tenantId: 0, key: key.key as string }
  }

  test('a key is held to its own limit, and what it is refused does not count on the tenant', async () => {
    const caller = await product.tenant()
    const key = (await product.call(caller, 'POST', '/v1/keys', { scopes: ['memory:read'] })).body.key as string
    const second = { ...caller, key }
    const asked = []
    for (let i = 0; i < 7; i++) asked.push(await product.call(second, 'GET', '/stats'))
    expect(asked.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429, 429])
    expect(asked[0]?.headers.get('ratelimit-policy')).toBe('"key";q=5;w=3600, "tenant";q=8;w=3600')
    expect(asked[0]?.headers.get('ratelimit')).toMatch(/^"key";r=4;t=3600, "tenant";r=6;t=\d+$/)
    expect(asked[6]?.headers.get('ratelimit')).toMatch(/^"key";r=0;t=\d+$/)
    expect(asked[6]?.body.code).toBe('rate_limited')
    // 1 + 5 of 8 so far: the first key has 2 left of the tenant, though 4 of its own
    const rest = []
    for (let i = 0; i < 3; i++) rest.push((await product.call(caller, 'GET', '/stats')).status)
    expect(rest).toEqual([200, 200, 429])
    expect((await product.call(null, 'GET', '/metrics')).text).toMatch(/requests_limited_total\{limit="key"\} 2\nrequests_limited_total\{limit="tenant"\} 1\n/)
  })

  test('calls that store many have a rate and a size', async () => {
    const caller = await product.tenant()
    const items = (count: number) => ({ items: Array.from({ length: count }, (_, i) => ({ text: `item ${i}` })) })
    const large = await product.call(caller, 'POST', '/v1/memories/bulk', items(4))
    expect(large).toMatchObject({ status: 422, body: { errors: [{ pointer: '/items', detail: 'has 4 items: this tenant may store at most 3 in a call' }] } })
    const fits = await product.call(caller, 'POST', '/v1/memories/bulk', items(3))
    expect(fits.status).toBe(200)
    expect(fits.headers.get('ratelimit-policy')).toBe('"key";q=5;w=3600, "tenant";q=8;w=3600, "batches";q=2;w=3600')
    const refused = await product.call(caller, 'POST', '/store_bulk', items(1))
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited', detail: expect.stringMatching(/^Batches of this tenant are limited to 2/) } })
    // one memory is no batch
    expect((await product.call(caller, 'POST', '/v1/memories', { text: 'alone' })).status).toBe(201)
  })

  test('an operator changes the limits of a tenant while it runs', async () => {
    const caller = await product.tenant()
    const system = await operator()
    for (let i = 0; i < 6; i++) await product.call(caller, 'GET', '/stats')
    expect((await product.call(caller, 'GET', '/stats')).status).toBe(429)
    const limits = { request_rate: '1000/m', key_request_rate: 'unlimited', batch_size: 1 }
    const changed = await product.call(system, 'PATCH', `/v1/tenants/${caller.tenant}`, { limits })
    expect(changed).toMatchObject({ status: 200, body: { name: caller.tenant, status: 'active', limits } })
    await until(async () => (await product.call(caller, 'GET', '/stats')).headers.get('ratelimit-policy') === '"tenant";q=1000;w=60')
    const back = await product.call(system, 'PATCH', `/v1/tenants/${caller.tenant}`, { limits: { request_rate: null, batch_size: null } })
    expect(back.body.limits).toEqual({ key_request_rate: 'unlimited' })
    const audited = await product.local.db.worker.transaction({ role: 'soma_worker', tenantId: caller.tenantId }, (tx) =>
      tx.query(`select action, target, actor, detail from audit_log where tenant_id = $1::integer and action = 'tenant.limit' order by seq`, [caller.tenantId]),
    )
    expect(audited).toEqual([
      { action: 'tenant.limit', target: caller.tenant, actor: expect.stringMatching(/^key:/), detail: { before: {}, after: limits } },
      { action: 'tenant.limit', target: caller.tenant, actor: expect.stringMatching(/^key:/), detail: { before: limits, after: { key_request_rate: 'unlimited' } } },
    ])
  })

  test.each([
    [{ limits: { request_rate: 'many' } }, '/limits/request_rate'],
    [{ limits: { memories: -1 } }, '/limits/memories'],
    [{ limits: { batch_size: 501 } }, '/limits/batch_size'],
    [{ limits: { other: 1 } }, '/limits/other'],
    [{}, ''],
  ])('%j is refused', async (body, pointer) => {
    const caller = await product.tenant()
    const refused = await product.call(await operator(), 'PATCH', `/v1/tenants/${caller.tenant}`, body)
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ pointer }] } })
  })
})
