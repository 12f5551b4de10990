import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'

/** What an issuer of the tests signs with, and what it says of everybody. */
export type Signer = { issuer: string; audience: string; kid: string; privateKey: KeyObject; publicPem: string }
type Forgery = { name: string; token: string | Promise<string>; detail?: RegExp }

export function newSigner(issuer: string, kid = 'first'): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { issuer, audience: 'soma', kid, privateKey, publicPem: publicKey.export({ type: 'spki', format: 'pem' }) as string }
}

/** The public half, as the issuer publishes it. */
export const publishedKey = async ({ privateKey, kid }: Signer) => ({ ...(await exportJWK(createPublicKey(privateKey))), kid, alg: 'RS256', use: 'sig' })

const seconds = () => Math.floor(Date.now() / 1000)
const part = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
export const goodClaims = ({ issuer, audience }: Signer): JWTPayload => ({
  iss: issuer,
  aud: audience,
  sub: 'ada',
  tenant: 'default',
  scope: 'memory:read memory:write',
  iat: seconds(),
  exp: seconds() + 600,
})

/** A token that the issuer has signed, with these claims over the usual ones (undefined: left out) and these fields over the usual header. */
export function signedToken(by: Signer, claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): Promise<string> {
  const payload = Object.fromEntries(Object.entries({ ...goodClaims(by), ...claims }).filter(([, value]) => value !== undefined))
  return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: by.kid, ...header }).sign(by.privateKey, { crit: { 'urn:x': true } })
}

/** The header is what it says, and the signature whatever `made` makes of it: as somebody writes it who is not held to a library. */
function handmade(by: Signer, header: Record<string, unknown>, made: (input: string) => Buffer | string, payload: unknown = goodClaims(by)): string {
  const input = `${part(header)}.${part(payload)}`
  const signature = made(input)
  return `${input}.${typeof signature === 'string' ? signature : signature.toString('base64url')}`
}
const hmac = (key: string | Buffer) => (input: string) => createHmac('sha256', key).update(input).digest()
const rsa = (key: KeyObject) => (input: string) => sign('sha256', Buffer.from(input), key)

/** Tokens that an attacker makes, each of them a 401: with everything public at hand, and with tokens of the issuer that were meant for something else. */
export async function forgeries(by: Signer): Promise<Forgery[]> {
  const other = newSigner(by.issuer, by.kid)
  const good = await signedToken(by)
  const [head = '', body = '', signature = ''] = good.split('.')
  const jwk = await publishedKey(by)
  const der = createPublicKey(by.publicPem).export({ type: 'spki', format: 'der' })
  const tampered = { ...goodClaims(by), tenant: 'system', scope: 'platform:tenants' }
  const known = { alg: 'RS256', kid: by.kid }
  const wrongIssuer = /claim iss/
  const wrongAudience = /claim aud/
  return [
    ...['none', 'None', 'NONE', 'nOnE', ''].map((alg) => ({ name: `alg "${alg}"`, token: handmade(by, { alg, kid: by.kid }, () => '') })),
    { name: 'no alg', token: handmade(by, { kid: by.kid }, rsa(by.privateKey)) },
    { name: 'an alg that is a list', token: handmade(by, { alg: ['RS256'], kid: by.kid }, rsa(by.privateKey)) },
    ...([by.publicPem, by.publicPem.trim(), der, JSON.stringify(jwk), String(jwk.n), ''] as (string | Buffer)[]).flatMap((key, i) =>
      ['HS256', 'hs256'].map((alg) => ({ name: `${alg} with the public key as the secret, spelling ${i}`, token: handmade(by, { alg, kid: by.kid }, hmac(key)) })),
    ),
    { name: 'signed by another key under the same kid', token: signedToken(other) },
    { name: 'a kid that nobody has', token: signedToken(other, {}, { kid: 'nobody' }) },
    ...['../../../../etc/passwd', '/dev/null', 'first/../first', 'http://127.0.0.1:1/key', "x' or '1'='1", '__proto__', '\u0000', '', ' first'].map((kid) => ({
      name: `the kid ${JSON.stringify(kid)}`,
      token: signedToken(other, {}, { kid }),
    })),
    { name: 'a kid that is no text', token: handmade(other, { alg: 'RS256', kid: { $ne: null } }, rsa(other.privateKey)) },
    { name: 'its own key in the header (jwk)', token: signedToken(other, {}, { jwk: await publishedKey(other), kid: 'mine' }) },
    { name: 'the URL of its own keys in the header (jku)', token: signedToken(other, {}, { jku: `${by.issuer}/attacker/jwks` }) },
    { name: 'the URL of its own certificate in the header (x5u)', token: signedToken(other, {}, { x5u: `${by.issuer}/attacker/cert.pem` }) },
    { name: 'its own certificate in the header (x5c)', token: signedToken(other, {}, { x5c: [der.toString('base64')] }) },
    { name: 'another payload under the signature', token: `${head}.${part(tampered)}.${signature}` },
    { name: 'another header under the signature', token: `${part({ ...known, typ: 'x' })}.${body}.${signature}` },
    { name: 'no signature', token: `${head}.${body}.` },
    { name: 'half of the signature', token: `${head}.${body}.${signature.slice(0, 100)}` },
    { name: 'a signature with more behind it', token: `${good}AAAA` },
    { name: 'the signature of another token', token: signedToken(by, { sub: 'eve' }).then((one) => `${head}.${body}.${one.split('.')[2]}`) },
    { name: 'crit with what nobody here knows', token: signedToken(by, {}, { crit: ['urn:x'], 'urn:x': 1 }) },
    { name: 'a payload that is not encoded (b64)', token: handmade(by, { ...known, b64: false, crit: ['b64'] }, rsa(by.privateKey)) },
    { name: 'crit that is empty', token: handmade(by, { ...known, crit: [] }, rsa(by.privateKey)) },
    { name: 'a token in a token', token: handmade(by, { ...known, cty: 'JWT' }, rsa(by.privateKey), good) },
    ...['null', '[]', '"x"', '1', '{', ''].map((payload) => ({ name: `a payload of ${payload || 'nothing'}`, token: handmade(by, known, rsa(by.privateKey), payload) })),
    { name: 'a header that is no JSON', token: `eyx.${body}.${signature}` },
    { name: 'parts that are empty', token: 'ey..' },
    { name: 'a token as long as a book', token: signedToken(by, { book: 'x'.repeat(9_000) }), detail: /longer than 8192/ },
    { name: 'a kid as long as a book', token: signedToken(other, {}, { kid: 'k'.repeat(6_000) }), detail: /longer/ },
    { name: 'expired', token: signedToken(by, { exp: seconds() - 61 }), detail: /expired/ },
    { name: 'not yet valid', token: signedToken(by, { nbf: seconds() + 90 }), detail: /claim nbf/ },
    ...['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'JWE', ''].map((typ) => ({ name: `the type "${typ}"`, token: signedToken(by, {}, { typ }), detail: /no access token/ })),
    { name: 'bound to a key of its bearer', token: signedToken(by, { cnf: { jkt: 'x' } }), detail: /bound to a key/ },
    { name: 'no exp', token: signedToken(by, { exp: undefined }), detail: /claim exp/ },
    ...['never', null, '9999999999', {}].map((exp) => ({ name: `the exp ${JSON.stringify(exp)}`, token: handmade(by, known, rsa(by.privateKey), { ...goodClaims(by), exp }) })),
    ...['never', {}].map((nbf) => ({ name: `the nbf ${JSON.stringify(nbf)}`, token: handmade(by, known, rsa(by.privateKey), { ...goodClaims(by), nbf }) })),
    { name: 'no issuer', token: signedToken(by, { iss: undefined }), detail: wrongIssuer },
    ...['https://evil.test', `${by.issuer}/`, `${by.issuer}.evil.test`, by.issuer.toUpperCase(), [by.issuer], ''].map((iss) => ({
      name: `the issuer ${JSON.stringify(iss)}`,
      token: handmade(by, known, rsa(by.privateKey), { ...goodClaims(by), iss }),
      detail: wrongIssuer,
    })),
    { name: 'no audience', token: signedToken(by, { aud: undefined }), detail: wrongAudience },
    ...['other', 'somastack', ['other'], [], { soma: 1 }, ''].map((aud) => ({
      name: `the audience ${JSON.stringify(aud)}`,
      token: handmade(by, known, rsa(by.privateKey), { ...goodClaims(by), aud }),
      detail: wrongAudience,
    })),
    ...[undefined, '', 7, {}, ['ada']].map((sub) => ({ name: `the subject ${JSON.stringify(sub)}`, token: signedToken(by, { sub }), detail: /names nobody/ })),
  ]
}
