import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createBreakers } from '../../shared/breaker/index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createTokens, type Times, type VerifyToken } from '../../shared/jwt/index.ts'
import { forgeries, goodClaims, newSigner, publishedKey, type Signer, signedToken } from '../support/forged-tokens.ts'
import { type KeyServer, startKeyServer } from '../support/key-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'soma-jwt-'))
let server: KeyServer
let signer: Signer
beforeAll(async () => {
  server = await startKeyServer(() => undefined)
  signer = newSigner(server.url)
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await server.close()
})
const keySet = async (...signers: Signer[]) => ({ keys: await Promise.all(signers.map(publishedKey)) })
const tokensOf = (more: Record<string, string>, times?: Times) => {
  const breakers = createBreakers({ failures: 5, openMs: 1_000 }, () => {})
  const tokens = createTokens(parseConfig({ JWT_ISSUER: signer.issuer, JWT_AUDIENCE: 'soma', ...more }), breakers, times)
  if (!tokens) throw new Error('The configuration takes no tokens.')
  return tokens
}

describe.each([
  ['found by the issuer’s discovery document', () => ({})],
  ['at JWKS_URL', () => ({ JWKS_URL: `${server.url}/keys` })],
  ['in the file of JWT_PUBLIC_KEY_PATH', () => ({ JWT_PUBLIC_KEY_PATH: written('key.pem', signer.publicPem) })],
  ['in JWT_PUBLIC_KEY_PATH itself, behind one that is no longer used', () => ({ JWT_PUBLIC_KEY_PATH: newSigner('x').publicPem + signer.publicPem })],
])('tokens of an issuer whose keys are %s', (_, variables) => {
  let verify: VerifyToken
  beforeAll(async () => {
    const published = await keySet(signer)
    server.serve((path) =>
      path.startsWith('/.well-known') ? { json: { issuer: server.url, jwks_uri: `${server.url}/keys` } } : path === '/keys' ? { json: published } : { status: 404 },
    )
    verify = tokensOf(variables()).verify
  })

  test('a good one is taken, with its tenant, its subject and its scopes', async () => {
    await expect(verify(await signedToken(signer))).resolves.toEqual({ tenant: 'default', subject: 'ada', scopes: new Set(['memory:read', 'memory:write']) })
    const others = [{ aud: ['other', 'soma'] }, { nbf: Math.floor(Date.now() / 1000) + 30 }, { exp: Math.floor(Date.now() / 1000) - 30 }]
    for (const claims of others) expect((await verify(await signedToken(signer, claims))).subject).toBe('ada')
    for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/at+jwt']) expect((await verify(await signedToken(signer, {}, { typ }))).subject).toBe('ada')
  })

  test('no forged one is, and what is said of it tells nothing of the key', async () => {
    const all = await forgeries(signer)
    expect(all.length).toBeGreaterThan(70)
    for (const { name, token, detail = /^The token is not valid/ } of all)
      await expect(verify(await token), name).rejects.toMatchObject({ code: 'unauthenticated', message: expect.stringMatching(detail), details: { headers: expect.anything() } })
    // an attacker's URL is never asked
    expect(server.asked().filter((path) => path.startsWith('/attacker'))).toEqual([])
  })
})

const written = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

test('every asymmetric algorithm is taken from the key that fits it, and from no other', async () => {
  const pairs: [string[], { privateKey: KeyObject; publicKey: KeyObject }][] = [
    [['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'], generateKeyPairSync('rsa', { modulusLength: 2048 })],
    [['ES256'], generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    [['ES384'], generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    [['EdDSA', 'Ed25519'], generateKeyPairSync('ed25519')],
  ]
  const pem = ({ publicKey }: { publicKey: KeyObject }) => publicKey.export({ type: 'spki', format: 'pem' }) as string
  const all = tokensOf({ JWT_PUBLIC_KEY_PATH: pairs.map(([, pair]) => pem(pair)).join('') })
  for (const [place, [algs, pair]] of pairs.entries()) {
    const others = tokensOf({ JWT_PUBLIC_KEY_PATH: pairs.flatMap(([, one], i) => (i === place ? [] : [pem(one)])).join('') })
    for (const alg of algs) {
      const token = await new SignJWT(goodClaims(signer)).setProtectedHeader({ alg }).sign(pair.privateKey)
      await expect(all.verify(token), alg).resolves.toMatchObject({ subject: 'ada' })
      await expect(others.verify(token), alg).rejects.toMatchObject({ code: 'unauthenticated' })
    }
  }
})

describe('the keys of an issuer', () => {
  const times: Times = { refresh: 600_000, cooldown: 400, keep: 3_600_000 }
  const at = (path: string) => ({ JWKS_URL: `${server.url}${path}` })

  test('a hundred tokens of keys that nobody has make it be asked once, also when they come at the same time', async () => {
    const published = await keySet(signer)
    server.serve(() => ({ json: published }))
    const { verify } = tokensOf(at('/keys'))
    await verify(await signedToken(signer))
    server.asked()
    const other = newSigner(server.url)
    const unknown = await Promise.all(Array.from({ length: 100 }, (_, i) => signedToken(other, {}, { kid: `k${i}` })))
    const ends = await Promise.allSettled(unknown.map(verify))
    expect(ends.every((end) => end.status === 'rejected' && end.reason.code === 'unauthenticated')).toBe(true)
    expect(server.asked()).toEqual(['/keys'])
  })

  test('a new key is found by its kid, a withdrawn one counts no more, and a second new one within the cooldown has to wait', async () => {
    const second = newSigner(server.url, 'second')
    const third = newSigner(server.url, 'third')
    let published = await keySet(signer)
    server.serve(() => ({ json: published }))
    const { verify, ask } = tokensOf(at('/keys'))
    await verify(await signedToken(signer))
    published = await keySet(second)
    await verify(await signedToken(second))
    await expect(verify(await signedToken(signer))).rejects.toMatchObject({ code: 'unauthenticated' })
    published = await keySet(third)
    await expect(verify(await signedToken(third))).rejects.toMatchObject({ code: 'unauthenticated' })
    await ask?.()
    await verify(await signedToken(third))
  })

  test('while it is away known keys go on, and what it would have to say is a 503; without any key everything is', async () => {
    const published = await keySet(signer)
    server.serve(() => ({ json: published }))
    const { verify } = tokensOf(at('/keys'))
    await verify(await signedToken(signer))
    server.serve(() => undefined)
    const unknown = await signedToken(newSigner(server.url), {}, { kid: 'new' })
    for (const _ of [1, 2]) {
      await expect(verify(unknown)).rejects.toMatchObject({ code: 'unavailable', details: { retryAfterSeconds: expect.any(Number) } })
      await verify(await signedToken(signer))
    }
    await expect(tokensOf(at('/keys')).verify(await signedToken(signer))).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('they are fetched again when they have grown old, nobody waits for that, and they end when nobody has confirmed them for long', async () => {
    let published = await keySet(signer)
    server.serve(() => ({ json: published }))
    const old: Times = { refresh: -1, cooldown: -1, keep: 3_600_000 }
    const { verify } = tokensOf(at('/keys'), old)
    await verify(await signedToken(signer))
    published = await keySet(newSigner(server.url, 'second'))
    await verify(await signedToken(signer))
    await expect.poll(async () => verify(await signedToken(signer)).catch(({ code }) => code)).toBe('unauthenticated')
    const { verify: ended } = tokensOf(at('/keys'), { ...times, keep: -1 })
    server.serve(() => undefined)
    await expect(ended(await signedToken(signer))).rejects.toMatchObject({ code: 'unavailable' })
  })

  test.each([
    ['a redirect', () => ({ status: 302, headers: { location: `${server.url}/elsewhere` } })],
    ['a refusal', () => ({ status: 403 })],
    ['a page', () => ({ status: 200, text: '<html></html>' })],
    ['something else than keys', () => ({ json: { keys: 'none' } })],
    ['more than keys can be long', () => ({ json: { keys: [], more: 'x'.repeat(300_000) } })],
  ])('%s in their place is a 503, and nothing else is asked', async (_, answer) => {
    server.asked()
    server.serve(answer)
    await expect(tokensOf(at('/keys')).verify(await signedToken(signer))).rejects.toMatchObject({ code: 'unavailable' })
    expect(new Set(server.asked())).toEqual(new Set(['/keys']))
  })

  test('what is no public key of a signature is left out of a set: a secret, a private key, a key to encrypt with', async () => {
    const good = await publishedKey(signer)
    const secret = { kty: 'oct', k: Buffer.from('a secret of 32 characters, or so').toString('base64url'), kid: 'first', alg: 'HS256' }
    server.serve(() => ({ json: { keys: [null, 'x', secret, { kty: 'XYZ', kid: 'first' }, good, { ...good, kid: 'enc', use: 'enc' }] } }))
    const { verify } = tokensOf(at('/keys'))
    await verify(await signedToken(signer))
    await expect(verify(await signedToken(signer, {}, { kid: 'enc' }))).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test.each([
    ['of another issuer', { issuer: 'https://evil.test', jwks_uri: 'https://evil.test/keys' }],
    ['that leads to another port of this machine', { jwks_uri: 'http://127.0.0.1:1/keys' }],
    ['that leads to the metadata of a cloud', { jwks_uri: 'http://169.254.169.254/latest/meta-data' }],
    ['that leads to a file', { jwks_uri: 'file:///etc/passwd' }],
    ['without keys', { jwks_uri: 7 }],
  ])('a discovery document %s is a 503, and is not followed', async (_, said) => {
    server.asked()
    server.serve(() => ({ json: { issuer: server.url, ...said } }))
    await expect(tokensOf({}).verify(await signedToken(signer))).rejects.toMatchObject({ code: 'unavailable' })
    expect(new Set(server.asked())).toEqual(new Set(['/.well-known/openid-configuration']))
  })
})

describe('claims', () => {
  const claimsOf = async (claims: Record<string, unknown>, variables: Record<string, string> = {}) =>
    tokensOf({ JWT_PUBLIC_KEY_PATH: signer.publicPem, ...variables }).verify(await signedToken(signer, claims))

  test.each([
    ['a text', 'memory:read  memory:write', ['memory:read', 'memory:write']],
    ['a list', ['memory:read', 'memory:write'], ['memory:read', 'memory:write']],
    ['a list with what is no text', ['memory:read', 7, null, {}], ['memory:read']],
    ['nothing', undefined, []],
    ['an object', { 'memory:read': true }, []],
    ['true', true, []],
  ])('scopes that are %s', async (_, scope, wants) => {
    expect([...(await claimsOf({ scope })).scopes].filter(Boolean)).toEqual(wants)
  })

  test('roles stand for scopes, under a claim that is named whole or along its dots', async () => {
    const JWT_ROLE_SCOPES = 'analyst=memory:read memory:history, clerk=memory:write'
    const roles = { realm_access: { roles: ['analyst', 'constructor', '__proto__'] }, 'https://x.test/roles': 'clerk' }
    expect((await claimsOf(roles, { JWT_ROLE_SCOPES, JWT_SCOPE_CLAIM: 'realm_access.roles' })).scopes).toEqual(
      new Set(['analyst', 'memory:read', 'memory:history', 'constructor', '__proto__']),
    )
    expect((await claimsOf(roles, { JWT_ROLE_SCOPES, JWT_SCOPE_CLAIM: 'https://x.test/roles' })).scopes).toEqual(new Set(['clerk', 'memory:write']))
    for (const JWT_SCOPE_CLAIM of ['constructor.name', '__proto__', 'realm_access.roles.length']) expect((await claimsOf(roles, { JWT_SCOPE_CLAIM })).scopes.size).toBe(0)
  })

  test('the tenant is a text under its claim, or none', async () => {
    expect((await claimsOf({ org: 'acme' }, { JWT_TENANT_CLAIM: 'org' })).tenant).toBe('acme')
    for (const tenant of [['default'], { name: 'default' }, 1, null]) expect((await claimsOf({ tenant })).tenant).toBeUndefined()
  })

  test('a subject stands printable and bounded, and two that differ stay two', async () => {
    const long = 'a'.repeat(500)
    const subjects = await Promise.all(['ada', 'ada\nroot', 'ada\rroot', `${long}x`, `${long}y`, 'ädä'].map(async (sub) => (await claimsOf({ sub })).subject))
    expect(subjects[0]).toBe('ada')
    expect(new Set(subjects).size).toBe(subjects.length)
    for (const subject of subjects) expect(subject).toMatch(/^[\x21-\x7e]{1,128}$/)
    expect((await claimsOf({ sub: undefined, client_id: 'robot' })).subject).toBe('robot')
  })
})
