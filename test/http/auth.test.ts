import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { operations } from '../../shared/http/index.ts'
import { allScopes, createAuthenticate, tenantScopes } from '../../shared/tenant/index.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { expectNothingWritten, expectProblem, systemKey, tenantTables } from './checks.ts'

const guarded = operations.filter((operation) => operation.scope !== undefined)
const pathOf = (method: string, path: string) =>
  path
    .replace(':id', '01900000-0000-7000-8000-000000000000')
    .replace(':name', 'nobody')
    .replace(/^\/recall$/, method === 'GET' ? '/recall?query=x' : '/recall')
/** A verifier that remembers nothing yet, as another process's. */
const freshly = ({ local }: Product, key: string) =>
  createAuthenticate(local.config, local.db.app)(new Request('http://soma.test/', { headers: { authorization: `Bearer ${key}` } }))

describeEngines('credentials', (product) => {
  const call = (caller: Caller | null, method: string, path: string, body?: unknown, headers?: Record<string, string>) => product().call(caller, method, path, body, headers)

  test('without a credential every guarded operation is a 401 that says what to send, and nothing is written', async () => {
    await expectNothingWritten(product(), async () => {
      for (const { method, path, body, example } of guarded) {
        const answer = await call(null, method, pathOf(method, path), body ? example : undefined)
        expectProblem(answer, 'unauthenticated')
        expect(answer.headers.get('www-authenticate')).toBe('Bearer')
      }
    })
  })

  test('a wrong, cut, swapped or malformed credential is a 401, in whichever header', async () => {
    const ada = await product().tenant()
    const eve = await product().tenant()
    const secretOf = (key: string) => key.slice(-64)
    const flipped = ada.key.slice(0, -1) + (ada.key.endsWith('0') ? '1' : '0')
    const keys = [
      'x',
      'null',
      flipped,
      ada.key.slice(0, -1),
      `${ada.key}0`,
      ada.key.toUpperCase(),
      ada.key.replace(secretOf(ada.key), secretOf(eve.key)),
      ada.key.replace(/_[0-9a-z]+-/, `_${eve.tenantId.toString(36)}-`),
      `soma_local_0-${'a'.repeat(12)}_${'0'.repeat(64)}`,
      `soma_local_zzzzzzz-${'a'.repeat(12)}_${'0'.repeat(64)}`,
      secretOf(ada.key),
      'a'.repeat(10_000),
    ]
    for (const key of keys) {
      expectProblem(await call(null, 'GET', '/stats', undefined, { authorization: `Bearer ${key}` }), 'unauthenticated')
      expectProblem(await call(null, 'GET', '/stats', undefined, { 'x-api-key': key }), 'unauthenticated')
    }
    for (const header of ['', 'Bearer', 'Bearer ', ada.key, `Basic ${ada.key}`, `Bearer ${ada.key} x`, `Bearer ${ada.key}, Bearer ${eve.key}`]) {
      expectProblem(await call(null, 'GET', '/stats', undefined, { authorization: header, 'x-api-key': ada.key }), 'unauthenticated')
    }
    for (const headers of [{ authorization: `Bearer ${ada.key}` }, { authorization: `bearer  ${ada.key}` }, { 'x-api-key': ada.key }] as Record<string, string>[])
      expect((await call(null, 'GET', '/stats', undefined, headers)).status).toBe(200)
  })

  test('every operation is refused to a key that has every scope but its own, and the answer names the scope', async () => {
    const without = new Map<string, Caller>()
    for (const scope of tenantScopes) without.set(scope, await product().tenant(tenantScopes.filter((one) => one !== scope)))
    const platform = allScopes.filter((scope) => scope.startsWith('platform:'))
    for (const scope of platform) without.set(scope, await systemKey(product(), [...tenantScopes, ...platform.filter((one) => one !== scope)]))
    await expectNothingWritten(product(), async () => {
      for (const { method, path, scope = '', body, example } of guarded) {
        const answer = await call(without.get(scope) as Caller, method, pathOf(method, path), body ? example : undefined)
        expectProblem(answer, 'forbidden')
        expect(answer.body.detail).toContain(scope)
      }
    })
  })

  test('a platform scope on the key of an ordinary tenant opens nothing', async () => {
    const eve = await product().tenant([...allScopes])
    await expectNothingWritten(product(), async () => {
      for (const { method, path, body, example } of guarded.filter(({ scope }) => scope?.startsWith('platform:')))
        expectProblem(await call(eve, method, pathOf(method, path), body ? example : undefined), 'forbidden')
    })
  })

  test('X-Tenant-ID may repeat the tenant of the credential and name no other', async () => {
    const ada = await product().tenant()
    const eve = await product().tenant()
    expect((await call(ada, 'GET', '/stats', undefined, { 'x-tenant-id': ada.tenant })).status).toBe(200)
    for (const name of [eve.tenant, 'default', 'system', '', '*', ada.tenant.toUpperCase(), `${ada.tenant},${eve.tenant}`]) {
      expectProblem(await call(ada, 'GET', '/stats', undefined, { 'x-tenant-id': name }), 'forbidden')
    }
  })

  test('a key is shown once, listed without its secret, and kept as a hash', async () => {
    const ada = await product().tenant()
    const made = await call(ada, 'POST', '/v1/keys', { name: 'reader', scopes: ['memory:read'] })
    expect(made).toMatchObject({ status: 201, body: { name: 'reader', scopes: ['memory:read'], expires_at: null, revoked_at: null } })
    const { id, key } = made.body
    const listed = await call(ada, 'GET', '/v1/keys')
    expect(listed.body.items.map((one: { id: string }) => one.id)).toContain(id)
    expect(listed.text).not.toContain(key.slice(-64))
    expect(listed.body.items.every((one: object) => !('key' in one))).toBe(true)
    const tables = await tenantTables(product())
    await product().local.db.owner.maintenance(async (sql) => {
      const hash = createHash('sha256').update(key.slice(-64)).digest('hex')
      expect(await sql.query(`select encode(secret_hash, 'hex') as hash from api_keys where key_id = '${id}'`)).toEqual([{ hash }])
      for (const table of tables) expect(await sql.query(`select 1 from ${table} t where t::text like '%${key.slice(-64)}%'`), table).toEqual([])
    })
  })

  test('a key cannot make one that may more than itself', async () => {
    const keeper = await product().tenant(['admin', 'memory:read'])
    await expectNothingWritten(product(), async () => {
      for (const scopes of [['memory:write'], ['memory:read', 'memory:delete'], ['platform:tenants'], ['admin', 'platform:tenants']])
        expectProblem(await call(keeper, 'POST', '/v1/keys', { scopes }), 'forbidden')
      expectProblem(await call(keeper, 'POST', '/v1/keys', {}), 'forbidden')
      for (const scopes of [[], ['memory:*'], ['*'], ['ADMIN'], 'admin', Array(allScopes.length + 1).fill('memory:read')])
        expectProblem(await call(keeper, 'POST', '/v1/keys', { scopes }), 'invalid')
      for (const expires_at of ['2020-01-01T00:00:00Z', 'never', '2030-02-31T00:00:00Z', '2030-01-01'])
        expectProblem(await call(keeper, 'POST', '/v1/keys', { scopes: ['admin'], expires_at }), 'invalid', '/expires_at')
    })
    expect((await call(keeper, 'POST', '/v1/keys', { scopes: ['memory:read'], expires_at: '2099-01-01T00:00:00+23:59' })).body.expires_at).toBe('2098-12-31T00:01:00.000Z')
    const elsewhere = await systemKey(product(), ['admin'])
    expectProblem(await call(elsewhere, 'POST', '/v1/keys', { scopes: ['platform:tenants'] }), 'forbidden')
  })

  test('a revoked or expired key and a suspended tenant are refused by whoever asks the database anew', async () => {
    const ada = await product().tenant()
    const { body: key } = await call(ada, 'POST', '/v1/keys', { scopes: ['memory:read'], expires_at: '2099-01-01T00:00:00Z' })
    await expect(freshly(product(), key.key)).resolves.toMatchObject({ tenant: ada.tenant, actor: `key:${key.id}` })
    expect((await call(ada, 'DELETE', `/v1/keys/${key.id}`)).status).toBe(204)
    await expect(freshly(product(), key.key)).rejects.toMatchObject({ code: 'unauthenticated' })
    expectProblem(await call(ada, 'DELETE', `/v1/keys/${key.id}`), 'not_found')
    const { body: short } = await call(ada, 'POST', '/v1/keys', { scopes: ['memory:read'], expires_at: '2099-01-01T00:00:00Z' })
    await product().local.db.owner.maintenance((sql) => sql.query(`update api_keys set expires_at = now() - interval '1 second' where key_id = '${short.id}'`))
    await expect(freshly(product(), short.key)).rejects.toMatchObject({ code: 'unauthenticated' })
    const system = await systemKey(product())
    expect((await call(system, 'PATCH', `/v1/tenants/${ada.tenant}`, { status: 'suspended' })).body.status).toBe('suspended')
    await expect(freshly(product(), ada.key)).rejects.toMatchObject({ code: 'forbidden' })
    await call(system, 'PATCH', `/v1/tenants/${ada.tenant}`, { status: 'active' })
    await expect(freshly(product(), ada.key)).resolves.toMatchObject({ tenant: ada.tenant })
    expectProblem(await call(system, 'PATCH', '/v1/tenants/system', { status: 'suspended' }), 'not_found')
  })

  test('a new tenant’s first admin key works at once, and its name is taken', async () => {
    const system = await systemKey(product())
    const made = await call(system, 'POST', '/v1/tenants', { name: 'globex' })
    expect(made.status, made.text).toBe(201)
    const admin = { tenant: 'globex', tenantId: -1, key: made.body.admin_key.key }
    expect((await call(admin, 'POST', '/v1/memories', { text: 'x' })).status).toBe(201)
    expectProblem(await call(system, 'POST', '/v1/tenants', { name: 'globex' }), 'conflict')
    for (const name of ['', 'A', '-a', 'a b', 'a'.repeat(64), 'é', "a'; --", 'a/b', '__proto__'])
      expectProblem(await call(system, 'POST', '/v1/tenants', { name }), 'invalid', '/name')
    expect((await call(system, 'GET', '/v1/tenants')).text).not.toContain('soma_local_')
  })
})
