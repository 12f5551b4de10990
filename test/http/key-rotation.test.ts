import { expect, test } from 'vitest'
import { createAuthenticate, createKeyUse } from '../../shared/tenant/index.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { expectNothingWritten, expectProblem, systemKey, tenantTables } from './checks.ts'

const day = 86_400_000
const secondsUntil = (time: string) => (Date.parse(time) - Date.now()) / 1000

describeEngines('rotated keys', (product) => {
  const call = (caller: Caller | null, method: string, path: string, body?: unknown) => product().call(caller, method, path, body)
  const keyOf = async (owner: Caller, id: string) => (await call(owner, 'GET', '/v1/keys')).body.items.find((one: { id: string }) => one.id === id)
  /** As another process that remembers nothing sees it. */
  const freshly = (key: string) =>
    createAuthenticate(product().local.config, product().local.db.app)(new Request('http://soma.test/', { headers: { authorization: `Bearer ${key}` } }))

  test('the new key has the scopes and the reach of the old one, which goes on for the overlap', async () => {
    const owner = await product().tenant()
    const given = { name: 'robot', scopes: ['memory:read', 'memory:write'], reach: { namespaces: ['notes'], user_id: 'ada' } }
    const { body: old } = await call(owner, 'POST', '/v1/keys', given)
    const rotated = await call(owner, 'POST', `/v1/keys/${old.id}/rotate`, {})
    expect(rotated.status, rotated.text).toBe(201)
    expect(rotated.body).toMatchObject({ ...given, expires_at: null, revoked_at: null, last_used_at: null, rotated_from: old.id })
    expect([rotated.body.id === old.id, rotated.body.key.slice(-64) === old.key.slice(-64)]).toEqual([false, false])
    for (const key of [old.key, rotated.body.key]) await expect(freshly(key)).resolves.toMatchObject({ tenant: owner.tenant, scopes: new Set(given.scopes), reach: given.reach })
    const { expires_at } = await keyOf(owner, old.id)
    expect(Math.abs(secondsUntil(expires_at) - 86_400)).toBeLessThan(600)
    const tables = await tenantTables(product())
    await product().local.db.owner.maintenance(async (sql) => {
      for (const table of tables) expect(await sql.query(`select 1 from ${table} t where t::text like '%${rotated.body.key.slice(-64)}%'`), table).toEqual([])
      const [audited] = await sql.query<{ detail: object }>(`select detail from audit_log where action = 'key.rotate' and target = '${old.id}'`)
      expect(audited?.detail).toEqual({ to: rotated.body.id, overlap_seconds: 86_400 })
    })
  })

  test('an overlap of 0 ends the old key, and no overlap lets it live longer than it was to', async () => {
    const owner = await product().tenant()
    const expires_at = new Date(Date.now() + day).toISOString()
    const [ended, short] = await Promise.all([{}, { expires_at }].map(async (more) => (await call(owner, 'POST', '/v1/keys', { scopes: ['memory:read'], ...more })).body))
    expect((await call(owner, 'POST', `/v1/keys/${ended.id}/rotate`, { overlap_seconds: 0 })).status).toBe(201)
    await expect(freshly(ended.key)).rejects.toMatchObject({ code: 'unauthenticated' })
    const rotated = await call(owner, 'POST', `/v1/keys/${short.id}/rotate`, { overlap_seconds: 30 * 86_400 })
    expect([rotated.body.expires_at, (await keyOf(owner, short.id)).expires_at]).toEqual([expires_at, expires_at])
    const later = new Date(Date.now() + 90 * day).toISOString()
    expect((await call(owner, 'POST', `/v1/keys/${short.id}/rotate`, { expires_at: later })).body.expires_at).toBe(later)
  })

  test('what is revoked, expired, another tenant’s or beyond its rotator is not rotated, nor for any other time', async () => {
    const [owner, stranger] = [await product().tenant(), await product().tenant()]
    const make = async (body: object) => (await call(owner, 'POST', '/v1/keys', body)).body
    const [revoked, expired, good] = [await make({}), await make({}), await make({ scopes: ['memory:read', 'memory:write'] })]
    await call(owner, 'DELETE', `/v1/keys/${revoked.id}`)
    await product().local.db.owner.maintenance((sql) => sql.query(`update api_keys set expires_at = now() - interval '1 second' where key_id = '${expired.id}'`))
    const keeper = { ...owner, key: (await make({ scopes: ['admin', 'memory:read'] })).key }
    const reader = { ...owner, key: (await make({ scopes: ['memory:read'] })).key }
    const system = await systemKey(product())
    await expectNothingWritten(product(), async () => {
      for (const id of [revoked.id, expired.id, 'nobodyskey00', '*', '%25']) expectProblem(await call(owner, 'POST', `/v1/keys/${id}/rotate`, {}), 'not_found')
      expectProblem(await call(stranger, 'POST', `/v1/keys/${good.id}/rotate`, {}), 'not_found')
      expectProblem(await call(system, 'POST', `/v1/keys/${good.id}/rotate`, {}), 'not_found')
      // its secret would be shown to somebody who may not do what it may
      expectProblem(await call(keeper, 'POST', `/v1/keys/${good.id}/rotate`, {}), 'forbidden')
      expectProblem(await call(reader, 'POST', `/v1/keys/${good.id}/rotate`, {}), 'forbidden')
      for (const overlap_seconds of [-1, 0.5, 30 * 86_400 + 1, '60', null])
        expectProblem(await call(owner, 'POST', `/v1/keys/${good.id}/rotate`, { overlap_seconds }), 'invalid', '/overlap_seconds')
      expectProblem(await call(owner, 'POST', `/v1/keys/${good.id}/rotate`, { expires_at: '2020-01-01T00:00:00Z' }), 'invalid', '/expires_at')
      expectProblem(await call(owner, 'POST', `/v1/keys/${good.id}/rotate`, { scopes: ['admin'] }), 'invalid')
    })
  })
})

describeEngines('the last use of a key', (product) => {
  test('it is there to the minute, of good credentials alone, and written once however often a key is used', async () => {
    const { local, tenant, call, settle } = product()
    const owner = await tenant()
    const { body: made } = await call(owner, 'POST', '/v1/keys', { scopes: ['memory:read'] })
    const used = async () => (await call(owner, 'GET', '/v1/keys')).body.items.find((one: { id: string }) => one.id === made.id).last_used_at
    expect(made.last_used_at).toBeNull()
    await call({ ...owner, key: `${made.key.slice(0, -1)}${made.key.endsWith('0') ? '1' : '0'}` }, 'POST', '/v1/memories/list', {})
    await settle()
    expect(await used()).toBeNull()
    for (let i = 0; i < 3; i++) expect((await call({ ...owner, key: made.key }, 'POST', '/v1/memories/list', {})).status).toBe(200)
    await settle()
    const first = await used()
    expect(Math.abs(secondsUntil(first))).toBeLessThan(600)
    await call({ ...owner, key: made.key }, 'POST', '/v1/memories/list', {})
    await settle()
    expect(await used()).toBe(first)
    // another process sees the key for the first time within the same minute, and one that sees it after that writes it
    const another = createKeyUse(local.db.app, (error) => expect(error).toBeUndefined())
    another.saw(owner.tenantId, made.id)
    await another.written()
    expect(await used()).toBe(first)
    await local.db.owner.maintenance((sql) => sql.query(`update api_keys set last_used_at = last_used_at - interval '61 seconds' where key_id = '${made.id}'`))
    const third = createKeyUse(local.db.app, (error) => expect(error).toBeUndefined())
    for (let i = 0; i < 50; i++) third.saw(owner.tenantId, made.id)
    await third.written()
    expect(Date.parse(await used())).toBeGreaterThanOrEqual(Date.parse(first))
  })

  test('a database that refuses it refuses no request, and is told of', async () => {
    const problems: unknown[] = []
    const { local, tenant } = product()
    const owner = await tenant()
    let asked = 0
    const broken: typeof local.db.app = {
      ...local.db.app,
      statement: () => {
        asked += 1
        return Promise.reject(new Error('no writing here'))
      },
    }
    const use = createKeyUse(broken, (error) => problems.push(error))
    const authenticate = createAuthenticate(local.config, local.db.app, undefined, use.saw)
    const request = new Request('http://soma.test/', { headers: { authorization: `Bearer ${owner.key}` } })
    for (let i = 0; i < 5; i++) await expect(authenticate(request)).resolves.toMatchObject({ tenant: owner.tenant })
    await use.written()
    expect([asked, problems.length]).toEqual([1, 1])
  })
})
