import type { KeyObject } from 'node:crypto'
import { decodeProtectedHeader, errors, type JWTVerifyOptions, type JWTVerifyResult, jwtVerify } from 'jose'
import { type Breaker, type Breakers, DependencyFailure } from '../breaker/index.ts'
import { type Config, type JwtSettings, jwtSettings } from '../config/index.ts'
import { AppError } from '../problem/index.ts'
import { readClaims, type TokenClaims } from './claims.ts'
import { discoverKeySet, fetchKeySet } from './fetch-keys.ts'
import { type IssuerKeys, issuerKeys, type Times } from './issuer-keys.ts'
import { keysFor, readPublicKeys } from './public-keys.ts'

/** Verifies a token of the configured issuer. @throws AppError unauthenticated; unavailable when its keys cannot be had */
export type VerifyToken = (token: string) => Promise<TokenClaims>
export type Tokens = {
  verify: VerifyToken
  /** Asks the issuer for its keys; undefined where they are in a file. @throws AppError unavailable */
  ask: (() => Promise<void>) | undefined
}

/** Signatures by a private key only: whoever can verify one cannot make one. */
export const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
/** Node takes 16 KiB of headers in all. */
const longestToken = 8_192
const fetchTimeoutMs = 5_000

/** Three parts split by dots, the first of which is a JSON object: no key of ours has a dot. */
export const looksLikeToken = (text: string): boolean => /^ey[\w-]*\.[\w-]*\.[\w-]*$/.test(text)

/** Undefined where JWT_ISSUER is not set, or AUTH_MODE takes no tokens. @throws ConfigError when the file of JWT_PUBLIC_KEY_PATH holds no public key */
export function createTokens(config: Config, breakers: Breakers, times?: Times): Tokens | undefined {
  const settings = jwtSettings(config)
  if (!settings) return undefined
  const { keys, issuer } = settings
  if (keys.from === 'pem') {
    const known = readPublicKeys(keys.pathOrText)
    return { verify: verifier(settings, (token, options) => byPublicKeys(token, known, options)), ask: undefined }
  }
  const found = issuerKeys(async (signal) => fetchKeySet(keys.from === 'url' ? keys.url : await discoverKeySet(issuer, signal), signal), issuerBreaker(breakers), times)
  return { verify: verifier(settings, (token, options) => byIssuer(token, found, options)), ask: found.load }
}

export const issuerBreaker = (breakers: Breakers): Breaker => breakers.of('issuer', { timeoutMs: fetchTimeoutMs, retries: 1, fails: (error) => error instanceof DependencyFailure })

/** Access tokens say nothing of their type, that they are JWTs, or what RFC 9068 calls them; whatever else an issuer signs (a logout token, a proof) says so. */
const types = ['jwt', 'at+jwt', 'application/at+jwt']
type Verified = (token: string, options: JWTVerifyOptions) => Promise<JWTVerifyResult>

async function byIssuer(token: string, keys: IssuerKeys, options: JWTVerifyOptions): Promise<JWTVerifyResult> {
  return jwtVerify(token, (header, jws) => keys.find(header, jws), options)
}

/** With the one that fits: a file may hold the next key too, and has no names for them. */
async function byPublicKeys(token: string, keys: readonly KeyObject[], options: JWTVerifyOptions): Promise<JWTVerifyResult> {
  const { alg } = decodeProtectedHeader(token)
  let refused: unknown = new errors.JWSSignatureVerificationFailed()
  for (const key of keysFor(String(alg), keys)) {
    try {
      return await jwtVerify(token, key, options)
    } catch (error) {
      refused = error
      if (!(error instanceof errors.JWSSignatureVerificationFailed) && !doesNotFit(error)) throw error
    }
  }
  throw refused
}

function verifier(settings: JwtSettings, verified: Verified): VerifyToken {
  const { issuer, audience, skewSeconds } = settings
  const options: JWTVerifyOptions = { algorithms, issuer, audience, clockTolerance: skewSeconds, requiredClaims: ['exp', 'iss', 'aud'] }
  return async function verify(token) {
    if (token.length > longestToken) throw invalidToken(`The token is longer than ${longestToken} characters.`)
    const { payload, protectedHeader } = await verified(token, options).catch((error) => {
      throw refusalOf(error)
    })
    if (!types.includes(String(protectedHeader.typ ?? 'jwt').toLowerCase())) throw invalidToken('The token is not valid here: it is no access token, by the type in its header.')
    // without the key that it is bound to, it is in the wrong hands (RFC 7800)
    if (payload.cnf !== undefined) throw invalidToken('The token is not valid here: it is bound to a key (its claim cnf), of which no proof is taken.')
    const claims = readClaims(payload, settings)
    if (!claims) throw invalidToken('The token names nobody: it has no claim sub.')
    return claims
  }
}

/** What was wrong with its claims is told to whoever has a token that the issuer has signed; of anything else only that it is not valid. */
function refusalOf(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return invalidToken('The token has expired.')
  if (error instanceof errors.JWTClaimValidationFailed) return invalidToken(`The token is not valid here: look at its claim ${error.claim}.`)
  if (error instanceof errors.JOSEError || doesNotFit(error)) return invalidToken('The token is not valid.')
  return error
}

/** What jose, or WebCrypto behind it, throws of a key that is none of the algorithm, such as one on another curve. */
const doesNotFit = (error: unknown): boolean => error instanceof TypeError || error instanceof DOMException

function invalidToken(detail: string): AppError {
  return new AppError('unauthenticated', detail, { headers: { 'www-authenticate': 'Bearer error="invalid_token"' } })
}
