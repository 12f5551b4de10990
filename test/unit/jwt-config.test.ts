import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createBreakers } from '../../shared/breaker/index.ts'
import { ConfigError, parseConfig } from '../../shared/config/index.ts'
import { createTokens } from '../../shared/jwt/index.ts'
import { newSigner } from '../support/forged-tokens.ts'

const folder = mkdtempSync(join(tmpdir(), 'soma-jwt-config-'))
afterAll(() => rmSync(folder, { recursive: true }))
const signer = newSigner('https://issuer.test')
const written = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const right = { JWT_ISSUER: 'https://issuer.test', JWT_AUDIENCE: 'soma' }
const wrong: [Record<string, string>, RegExp][] = [
  [{ AUTH_MODE: 'jwt' }, /AUTH_MODE got "jwt": it needs JWT_ISSUER/],
  [{ JWT_ISSUER: 'https://issuer.test' }, /needs JWT_AUDIENCE/],
  [{ JWT_AUDIENCE: 'soma' }, /JWT_AUDIENCE is set: it needs JWT_ISSUER/],
  [{ ...right, JWT_AUDIENCE: ' , ' }, /JWT_AUDIENCE/],
  [{ ...right, JWT_ISSUER: 'production-issuer' }, /needs JWKS_URL or JWT_PUBLIC_KEY_PATH/],
  [{ ...right, JWT_ISSUER: 'http://issuer.test' }, /JWT_ISSUER is no https/],
  [{ ...right, JWKS_URL: 'https://x.test/keys', JWT_PUBLIC_KEY_PATH: 'key.pem' }, /both set/],
  ...['http://issuer.test/keys', 'http://169.254.169.254/', 'file:///etc/passwd', 'ftp://x.test', 'http://127.0.0.1.evil.test/', 'http://[::ffff:7f00:1]/', 'x'].map(
    (JWKS_URL): [Record<string, string>, RegExp] => [{ ...right, JWKS_URL }, /JWKS_URL got/],
  ),
  [{ ...right, JWT_CLOCK_SKEW_SECONDS: '301' }, /JWT_CLOCK_SKEW_SECONDS/],
  [{ ...right, JWT_ROLE_SCOPES: 'analyst' }, /role=scope/],
  [{ ...right, JWT_ROLE_SCOPES: 'analyst=' }, /role=scope/],
]
test.each(wrong)('%j stops the start', (variables, message) => {
  expect(() => parseConfig(variables)).toThrow(ConfigError)
  expect(() => parseConfig(variables)).toThrow(message)
})

test('credentials in a URL are refused and not shown', () => {
  expect(() => parseConfig({ ...right, JWKS_URL: 'https://user:hunter2@x.test/keys' })).toThrow(/^(?!.*hunter2).*JWKS_URL/s)
})

test('what does nothing is said aloud', () => {
  expect(parseConfig({ ...right, AUTH_MODE: 'token', SOMA_API_TOKEN: 'a-long-token' }).warnings.join()).toContain('no token of it is taken')
  expect(parseConfig({ ...right, AUTH_MODE: 'jwt', SOMA_API_TOKEN: 'a-long-token' }).warnings.join()).toContain('SOMA_API_TOKEN is set')
  expect(parseConfig({ JWT_SCOPE_CLAIM: 'roles' }).warnings.join()).toContain('JWT_SCOPE_CLAIM is set')
  expect(parseConfig({ ...right, AUTH_MODE: 'mixed' }).warnings).toEqual([])
})

test.each([
  ['a private key', () => signer.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, /PRIVATE KEY: it takes the public half/],
  ['nothing', () => 'x', /no public key/],
  ['a broken key', () => '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----', /cannot be read/],
  ['a short RSA key', () => generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' }) as string, /1024 bits/],
  ['a key that signs nothing', () => generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' }) as string, /kind x25519/],
])('a file with %s stops the start', (name, text, message) => {
  expect(() => start({ JWT_PUBLIC_KEY_PATH: written(`${name}.pem`, text()) })).toThrow(message)
  expect(() => start({ JWT_PUBLIC_KEY_PATH: join(folder, 'not-there.pem') })).toThrow(/cannot be read \(ENOENT\)/)
})

function start(variables: Record<string, string>) {
  return createTokens(
    parseConfig({ ...right, ...variables }),
    createBreakers({ failures: 5, openMs: 1_000 }, () => {}),
  )
}
