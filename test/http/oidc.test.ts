import { afterAll, expect, test } from 'vitest'
import { type Answer, describeEngines } from '../support/engines.ts'
import { type OidcServer, startOidcServer } from '../support/oidc-server.ts'
import { expectProblem } from './checks.ts'

/** One an engine, the newest last. */
const servers: OidcServer[] = []
let server: OidcServer
afterAll(async () => {
  for (const one of servers) await one.close()
})

/** The tenant `default` is there from the start; `acme` is made by the first test that needs it. */
const clients = [
  { id: 'reader', claims: { tenant: 'default' }, scopes: ['memory:read', 'openid'] },
  { id: 'writer', claims: { tenant: 'default', realm_access: { roles: ['ignored'] } }, scopes: ['memory:read', 'memory:write'], alg: 'RS256' },
  { id: 'stranger', claims: { tenant: 'nobody-made-it' }, scopes: ['memory:read'], alg: 'EdDSA' },
  { id: 'nobody', claims: {}, scopes: ['memory:read'] },
  { id: 'operator', claims: { tenant: 'system' }, scopes: ['platform:tenants'] },
  { id: 'pretender', claims: { tenant: 'default' }, scopes: ['platform:tenants', 'admin'] },
]
const variables = async () => {
  server = await startOidcServer(clients)
  servers.push(server)
  return { JWT_ISSUER: server.issuer, JWT_AUDIENCE: 'soma' }
}

describeEngines(
  'tokens of a real OpenID provider, found by its discovery document',
  (product) => {
    const call = (token: string, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
      product().call(null, method, path, body, { authorization: `Bearer ${token}`, ...headers })

    test('a token stores and recalls for the tenant of its claim, with the scopes of its scope claim, and the audit log names its subject', async () => {
      const writer = await server.token('writer')
      const stored = await call(writer, 'POST', '/v1/memories', { text: 'the boiler is in the cellar' })
      expect(stored.status, stored.text).toBe(201)
      const reader = await server.token('reader')
      expect((await call(reader, 'POST', '/v1/recall', { query: 'boiler' })).body.results).toMatchObject([{ id: stored.body.id }])
      const refused = await call(reader, 'POST', '/v1/memories', { text: 'x' })
      expectProblem(refused, 'forbidden')
      expect(refused.body.detail).toContain('memory:write')
      expect((await call(writer, 'POST', '/v1/recall', { query: 'boiler' }, { 'x-tenant-id': 'default' })).status).toBe(200)
      expectProblem(await call(writer, 'POST', '/v1/recall', { query: 'boiler' }, { 'x-tenant-id': 'system' }), 'forbidden')
      const actors = await product().local.db.owner.maintenance((sql) => sql.query(`select distinct actor from audit_log where tenant_id = 1 and target = '${stored.body.id}'`))
      expect(actors).toEqual([{ actor: 'jwt:writer' }])
    })

    test('its keys are fetched once for all of that, and no token had us fetch anything else', async () => {
      expect(server.asked().filter((path) => path !== '/token')).toEqual(['/.well-known/openid-configuration', '/jwks'])
    })

    test('a tenant that nobody has made, or none, is a 403; platform scopes count for the tenant system alone', async () => {
      for (const client of ['stranger', 'nobody']) expectProblem(await call(await server.token(client), 'GET', '/stats'), 'forbidden')
      expect((await call(await server.token('operator'), 'GET', '/v1/tenants')).status).toBe(200)
      const pretender = await server.token('pretender')
      expectProblem(await call(pretender, 'GET', '/v1/tenants'), 'forbidden')
      expect((await call(pretender, 'GET', '/v1/keys')).status).toBe(200)
    })

    test('new signing keys are taken while it runs: the new one at once, the old one as long as it is published', async () => {
      const old = await server.token('reader')
      server.asked()
      await server.rotate(true)
      expect((await call(await server.token('reader'), 'GET', '/stats')).status).toBe(200)
      expect((await call(old, 'GET', '/stats')).status).toBe(200)
      expect(server.asked().filter((path) => path === '/jwks')).toHaveLength(1)
    })

    test('while it is away, tokens of keys that are known go on; nothing is fetched for those that are refused', async () => {
      const [reader, writer] = [await server.token('reader'), await server.token('writer')]
      server.asked()
      server.away()
      for (const token of [reader, writer]) expect((await call(token, 'GET', '/stats')).status).toBe(200)
      for (const wrong of ['x', `${reader}x`, reader.slice(0, -9), `${reader}.x`]) expectProblem(await call(wrong, 'GET', '/stats'), 'unauthenticated')
      expect(server.asked()).toEqual([])
      server.back()
    })
  },
  undefined,
  variables,
)
