import * as z from 'zod'
import { answerText, DependencyFailure } from '../breaker/index.ts'
import { isSafeUrl } from '../config/index.ts'

const mostBytes = 256 * 1024
const Discovery = z.object({ issuer: z.string(), jwks_uri: z.string() })
/** Public keys of signatures; what else a set may hold (secrets, keys to encrypt with, kinds that nobody knows) is left out. */
const Jwk = z.looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']), kid: z.string().optional(), alg: z.string().optional(), d: z.undefined().optional() })
const KeySet = z.object({ keys: z.array(z.unknown()).max(1_000) })
export type Jwk = z.output<typeof Jwk>

/** The keys that are at a URL now. @throws DependencyFailure */
export async function fetchKeySet(url: string, signal: AbortSignal): Promise<Jwk[]> {
  const { keys } = parsed(KeySet, await fetchJson(url, signal), 'a set of keys (JWKS)')
  return keys.flatMap((key) => {
    const { success, data } = Jwk.safeParse(key)
    return success ? [data] : []
  })
}

/**
 * The URL of an issuer's keys, as its discovery document says. Source: OpenID Connect Discovery 1.0, sections 4.1 and 4.3: the document's issuer is this one, to the
 * letter. @throws DependencyFailure
 */
export async function discoverKeySet(issuer: string, signal: AbortSignal): Promise<string> {
  const found = parsed(Discovery, await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, signal), 'a discovery document')
  if (found.issuer !== issuer) throw new DependencyFailure('the discovery document is of another issuer than JWT_ISSUER says')
  const { jwks_uri: url } = found
  // a page of the internet does not send us to a port of this machine
  const here = URL.canParse(url) && new URL(url).origin === new URL(issuer).origin
  if (!isSafeUrl(url) || (!here && !url.startsWith('https:')))
    throw new DependencyFailure('the discovery document names keys at a URL that is neither https:// nor of its own origin')
  return url
}

/** No redirect is followed, nothing of ours is sent along, and no more is read than keys can be long. */
async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { redirect: 'error', credentials: 'omit', headers: { accept: 'application/json' }, signal }).catch((cause) => {
    throw unreachable(cause, signal)
  })
  if (!response.ok) {
    await response.body?.cancel().catch(() => {})
    throw new DependencyFailure(`it answered ${response.status}: look at JWT_ISSUER and JWKS_URL`, { again: response.status >= 500 })
  }
  const text = await answerText(response, mostBytes, 'it answered more than 256 KiB: look at JWT_ISSUER and JWKS_URL').catch((cause) => {
    throw cause instanceof DependencyFailure ? cause : unreachable(cause, signal)
  })
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new DependencyFailure('it answered something else than JSON: look at JWT_ISSUER and JWKS_URL', { cause })
  }
}

function parsed<Value>(schema: z.ZodType<Value>, given: unknown, what: string): Value {
  const { success, data } = schema.safeParse(given)
  if (!success) throw new DependencyFailure(`it answered something else than ${what}: look at JWT_ISSUER and JWKS_URL`)
  return data
}

function unreachable(cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  const inner = (cause as Error).cause as { code?: string; message?: string } | undefined
  return new DependencyFailure(`it cannot be reached (${inner?.code ?? inner?.message ?? (cause as Error).message}): look at JWT_ISSUER and JWKS_URL`, { again: true, cause })
}
