import * as z from 'zod'

const claim = z.string().min(1).max(200)
const rolesTake = 'takes role=scope scope, several split by commas, such as analyst=memory:read memory:history'

/** How tokens of an OpenID Connect issuer are verified, and what their claims mean here. */
export const jwtVariables = {
  JWT_ISSUER: z.string().min(1).max(2_000).optional(),
  JWT_AUDIENCE: z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean),
    )
    .refine((audiences) => audiences.length > 0, { error: 'takes an audience, several split by commas' })
    .optional(),
  JWKS_URL: z.string().optional(),
  JWT_PUBLIC_KEY_PATH: z.string().min(1).optional(),
  JWT_TENANT_CLAIM: claim.default('tenant'),
  JWT_SCOPE_CLAIM: claim.default('scope'),
  JWT_ROLE_SCOPES: z
    .string()
    .transform((text, context): Record<string, string[]> => {
      const pairs = text.split(',').map((pair) => /^\s*([^\s=,]{1,200})\s*=\s*(\S+(?:\s+\S+)*)\s*$/.exec(pair))
      if (pairs.some((pair) => pair === null)) context.addIssue({ code: 'custom', message: rolesTake })
      return Object.fromEntries(pairs.flatMap((pair) => (pair ? [[pair[1], (pair[2] as string).split(/\s+/)]] : [])))
    })
    .optional(),
  JWT_CLOCK_SKEW_SECONDS: z.coerce.number().int().min(0).max(300).default(60),
}

type JwtValues = z.output<z.ZodObject<typeof jwtVariables>>
type Mode = 'open' | 'token' | 'jwt' | 'mixed'
/** Where the keys of the issuer are: found by its discovery document, at a URL, or in a file (or the PEM text itself). */
export type JwtKeys = { from: 'discovery' } | { from: 'url'; url: string } | { from: 'pem'; pathOrText: string }
export type JwtSettings = {
  issuer: string
  audience: string[]
  keys: JwtKeys
  tenantClaim: string
  scopeClaim: string
  roleScopes: Record<string, string[]>
  skewSeconds: number
}

/** What does not go together, one sentence each. */
export function jwtProblems(values: JwtValues, mode: Mode): string[] {
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWKS_URL: url, JWT_PUBLIC_KEY_PATH: pem } = values
  if (issuer === undefined) {
    const alone = (['JWT_AUDIENCE', 'JWKS_URL', 'JWT_PUBLIC_KEY_PATH'] as const).filter((name) => values[name] !== undefined)
    return [...(mode === 'jwt' ? ['AUTH_MODE got "jwt": it needs JWT_ISSUER and JWT_AUDIENCE.'] : []), ...alone.map((name) => `${name} is set: it needs JWT_ISSUER.`)]
  }
  return [
    ...(audience ? [] : ['JWT_ISSUER is set: it needs JWT_AUDIENCE, what tokens for this service say in their claim aud.']),
    ...(url !== undefined && pem !== undefined ? ['JWKS_URL and JWT_PUBLIC_KEY_PATH are both set: the keys come from one place.'] : []),
    ...(url !== undefined && !isSafeUrl(url) ? [`JWKS_URL got "${withoutLogin(url)}": takes an https:// URL without credentials; http:// on a loopback address only.`] : []),
    ...(url === undefined && pem === undefined && !isSafeUrl(issuer)
      ? ['JWT_ISSUER is no https:// URL, under which its keys could be found: it needs JWKS_URL or JWT_PUBLIC_KEY_PATH.']
      : []),
  ]
}

/** What is set and does nothing: said aloud. */
export function jwtWarnings(values: JwtValues, mode: Mode, given: Record<string, string | undefined>): string[] {
  if (values.JWT_ISSUER === undefined) {
    const idle = ['JWT_TENANT_CLAIM', 'JWT_SCOPE_CLAIM', 'JWT_ROLE_SCOPES', 'JWT_CLOCK_SKEW_SECONDS'].filter((name) => given[name])
    return idle.map((name) => `${name} is set, but there is no JWT_ISSUER: no token is taken.`)
  }
  if (mode === 'token') return ['JWT_ISSUER is set, but AUTH_MODE is "token": no token of it is taken.']
  return mode === 'jwt' && given.SOMA_API_TOKEN ? ['SOMA_API_TOKEN is set, but AUTH_MODE is "jwt": it is not taken.'] : []
}

/** How tokens are verified, or undefined where none is taken. */
export function jwtSettings(values: JwtValues & { AUTH_MODE: Mode }): JwtSettings | undefined {
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWKS_URL: url, JWT_PUBLIC_KEY_PATH: pem } = values
  if (issuer === undefined || audience === undefined || values.AUTH_MODE === 'token') return undefined
  const keys: JwtKeys = pem !== undefined ? { from: 'pem', pathOrText: pem } : url !== undefined ? { from: 'url', url } : { from: 'discovery' }
  return {
    issuer,
    audience,
    keys,
    tenantClaim: values.JWT_TENANT_CLAIM,
    scopeClaim: values.JWT_SCOPE_CLAIM,
    roleScopes: values.JWT_ROLE_SCOPES ?? {},
    skewSeconds: values.JWT_CLOCK_SKEW_SECONDS,
  }
}

const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/
/** Keys are fetched by TLS, or from this machine: whoever can change them on their way is the issuer. */
export function isSafeUrl(text: string): boolean {
  const url = URL.parse(text)
  if (!url || url.username || url.password || url.hash) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && loopbackHost.test(url.hostname))
}

const withoutLogin = (text: string): string => text.replace(/\/\/[^/@]*@/, '//…@')
