import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { dispatch } from '../../local/dispatch.ts'
import { createHandlers } from '../../local/handlers.ts'
import { createBreakers } from '../../shared/breaker/index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { assembleRuntime } from '../../shared/host/index.ts'
import { createTokens } from '../../shared/jwt/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import type { Log } from '../../shared/telemetry/index.ts'
import { allScopes, createAuthenticate } from '../../shared/tenant/index.ts'
import { type Answer, describeEngines } from '../support/engines.ts'
import { forgeries, newSigner, type Signer, signedToken } from '../support/forged-tokens.ts'
import { expectNothingWritten, expectProblem, systemKey } from './checks.ts'

const signer: Signer = newSigner('https://issuer.test')
const variables = { JWT_ISSUER: signer.issuer, JWT_AUDIENCE: 'soma', JWT_PUBLIC_KEY_PATH: signer.publicPem }
const breakers = createBreakers({ failures: 5, openMs: 1_000 }, () => {})
const everyScope = allScopes.join(' ')

describeEngines(
  'tokens of an issuer',
  (product) => {
    const call = async (token: string | Promise<string>, method = 'GET', path = '/stats', headers: Record<string, string> = {}, body?: unknown): Promise<Answer> =>
      product().call(null, method, path, body, { authorization: `Bearer ${await token}`, ...headers })
    /** A verifier that remembers nothing yet, as another process's. */
    const freshly = async (claims: Record<string, unknown>) => {
      const { config, db } = product().local
      return createAuthenticate(config, db.app, createTokens(config, breakers)?.verify)(requestWith(await signedToken(signer, claims)))
    }

    test('no forged one opens anything, and nothing is written', async () => {
      await expectNothingWritten(product(), async () => {
        for (const { token } of await forgeries(signer)) {
          const answer = await call(token, 'POST', '/v1/memories', {}, { text: 'x' })
          expectProblem(answer, 'unauthenticated')
          expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
        }
      })
    })

    test.each([
      ['a tenant that nobody has made', { tenant: 'nobody-made-it' }],
      ['a wildcard', { tenant: '*' }],
      ['a pattern', { tenant: 'def%' }],
      ['another spelling', { tenant: 'Default' }],
      ['a number, as keys have it', { tenant: 1 }],
      ['its number as a text', { tenant: '1' }],
      ['several', { tenant: ['default', 'system'] }],
      ['a setting of its own', { tenant: "default', true); select ('" }],
      ['nothing', { tenant: undefined }],
      ['an empty text', { tenant: '' }],
    ])('the tenant %s is a 403', async (_, claims) => {
      expectProblem(await call(signedToken(signer, claims)), 'forbidden')
    })

    test('scopes count by their own names only; those of the platform for the tenant system only', async () => {
      for (const scope of [
        '',
        'memory',
        'memory:*',
        '*',
        'memory:write',
        'MEMORY:READ',
        'memory:read,memory:write',
        ['memory:write'],
        [['memory:read']],
        { scope: 'memory:read' },
        undefined,
      ])
        expectProblem(await call(signedToken(signer, { scope })), 'forbidden')
      for (const scope of ['memory:read', 'openid memory:read offline_access', ['memory:read'], ['x', 'memory:read']])
        expect((await call(signedToken(signer, { scope }))).status).toBe(200)
      expectProblem(await call(signedToken(signer, { scope: everyScope }), 'GET', '/v1/tenants'), 'forbidden')
      expectProblem(await call(signedToken(signer, { scope: everyScope }), 'GET', '/v1/backups'), 'forbidden')
      expect((await call(signedToken(signer, { scope: everyScope, tenant: 'system' }), 'GET', '/v1/tenants')).status).toBe(200)
    })

    test('each tenant sees its own memories by a token, and X-Tenant-ID names no other', async () => {
      const [ada, eve] = [await product().tenant(), await product().tenant()]
      await product().call(ada, 'POST', '/v1/memories', { text: 'a secret of Ada' })
      const recall = async (tenant: string, named = tenant) => call(signedToken(signer, { tenant }), 'POST', '/v1/recall', { 'x-tenant-id': named }, { query: 'secret' })
      expect((await recall(ada.tenant)).body.results).toHaveLength(1)
      expect((await recall(eve.tenant)).body.results).toEqual([])
      for (const named of [eve.tenant, 'default', '*', '', ada.tenant.toUpperCase()]) expectProblem(await recall(ada.tenant, named), 'forbidden')
    })

    test('a suspended tenant’s tokens are refused by whoever asks the database anew, and taken again when it is resumed', async () => {
      const ada = await product().tenant()
      const system = await systemKey(product())
      await expect(freshly({ tenant: ada.tenant })).resolves.toMatchObject({ tenant: ada.tenant, tenantId: ada.tenantId, actor: 'jwt:ada' })
      await product().call(system, 'PATCH', `/v1/tenants/${ada.tenant}`, { status: 'suspended' })
      await expect(freshly({ tenant: ada.tenant })).rejects.toMatchObject({ code: 'forbidden' })
      await product().call(system, 'PATCH', `/v1/tenants/${ada.tenant}`, { status: 'active' })
      await expect(freshly({ tenant: ada.tenant })).resolves.toMatchObject({ tenant: ada.tenant })
    })

    test('without the database a token is taken of a tenant that was seen here, and of no other; a forged one of neither', async () => {
      const ada = await product().tenant()
      const eve = await product().tenant()
      const { config, db } = product().local
      let away = false
      const app: typeof db.app = {
        ...db.app,
        transaction: (access, work) => (away ? Promise.reject(new AppError('unavailable', 'away')) : db.app.transaction(access, work)),
      }
      const authenticate = createAuthenticate(config, app, createTokens(config, breakers)?.verify)
      const request = async (claims: Record<string, unknown>) => requestWith(await signedToken(signer, claims))
      await authenticate(await request({ tenant: ada.tenant }))
      away = true
      await expect(authenticate.offline(await request({ tenant: ada.tenant, sub: 'another' }))).resolves.toMatchObject({ tenant: ada.tenant, actor: 'jwt:another' })
      await expect(authenticate.offline(await request({ tenant: eve.tenant }))).rejects.toMatchObject({ code: 'unavailable' })
      await expect(authenticate.offline(await request({ tenant: '*' }))).rejects.toMatchObject({ code: 'forbidden' })
      await expect(authenticate.offline(await request({ tenant: ada.tenant, exp: 1 }))).rejects.toMatchObject({ code: 'unauthenticated' })
    })

    test('AUTH_MODE says which kinds are taken', async () => {
      const ada = await product().tenant()
      const kinds = { key: ada.key, token: await signedToken(signer), apiToken: 'the-api-token' }
      const takenIn = async (AUTH_MODE: string) => {
        const config = parseConfig({ ...variables, AUTH_MODE, SOMA_API_TOKEN: kinds.apiToken })
        const authenticate = createAuthenticate(config, product().local.db.app, createTokens(config, breakers)?.verify)
        const ends = await Promise.allSettled(Object.values(kinds).map((credential) => authenticate(requestWith(credential))))
        return Object.keys(kinds).filter((_, i) => ends[i]?.status === 'fulfilled')
      }
      expect(await takenIn('mixed')).toEqual(['key', 'token', 'apiToken'])
      expect(await takenIn('open')).toEqual(['key', 'token', 'apiToken'])
      expect(await takenIn('jwt')).toEqual(['token'])
      expect(await takenIn('token')).toEqual(['apiToken'])
    })

    test('no part of a token is logged, whatever becomes of it', async () => {
      const { config, db } = product().local
      const told: unknown[] = []
      const keep = (...said: unknown[]) => void told.push(...said)
      const log = { trace: keep, debug: keep, info: keep, warn: keep, error: keep, fatal: keep } as unknown as Log
      // an issuer that is away is told of, too
      const away = { ...config, JWKS_URL: 'http://127.0.0.1:9/keys', JWT_PUBLIC_KEY_PATH: undefined }
      const tokens = [await signedToken(signer), ...(await Promise.all((await forgeries(signer)).map(({ token }) => token)))]
      for (const settings of [config, away]) {
        const runtime = assembleRuntime(settings, log, db, { signingKey: 'a test signing key', wake() {}, wakesSent: async () => {} })
        const app = dispatch(createHandlers(runtime).http)
        for (const token of tokens) await app.fetch(new Request('http://soma.test/stats', { headers: { authorization: `Bearer ${token}` } }))
      }
      const text = inspect(told, { depth: 20, maxStringLength: null, maxArrayLength: null })
      expect(text).toContain("endpoint: '/stats'")
      expect(text).toContain('a dependency fails')
      for (const token of tokens) for (const part of token.split('.')) if (part.length > 20) expect(text).not.toContain(part)
    })

    test('a role that stands for no scope, or is called like one, stops the start', () => {
      const start = (JWT_ROLE_SCOPES: string) => createAuthenticate(parseConfig({ ...variables, JWT_ROLE_SCOPES }), product().local.db.app)
      expect(() => start('analyst=memory:raed')).toThrow(/"memory:raed", which is no scope/)
      expect(() => start('memory:read=admin')).toThrow(/"memory:read", which is a scope itself/)
    })
  },
  ['pglite'],
  async () => variables,
)

const requestWith = (credential: string) => new Request('http://soma.test/', { headers: { authorization: `Bearer ${credential}` } })
