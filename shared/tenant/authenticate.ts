import { timingSafeEqual } from 'node:crypto'
import { type Config, ConfigError } from '../config/index.ts'
import type { Database } from '../db/index.ts'
import { looksLikeToken, type VerifyToken } from '../jwt/index.ts'
import { AppError } from '../problem/index.ts'
import { allScopes, type Caller, defaultTenantId, tenantScopes } from './context.ts'
import type { KeyUse } from './key-use.ts'
import { hashSecret, parseKey } from './keys.ts'
import { defaultLimits, type Limits, limitsOf, type OwnLimits } from './limits.ts'
import { createLookups, type Known, type Lookup, lookedUp, scopesWithin } from './lookup.ts'
import { TenantName } from './tenants.ts'

const loopbackNames = /^(localhost|[\w-]+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/
type Identified = { known: Known; actor: string; of: string }

export type Authenticate = {
  (request: Request): Promise<Caller>
  /**
   * Without the database: the API token, and where that is open no credential, as the tenant "default"; a key that was verified here within the last 15 minutes, and a
   * token of a tenant that was seen here in that time. What may have changed since is for assertStanding to find.
   * @throws AppError unauthenticated, forbidden; unavailable for what cannot be checked
   */
  offline(request: Request): Promise<Caller>
}

/** Verifies the credential of a request; `verifyToken` where tokens of an issuer are taken, `onKeyUsed` hears of each key that was good. @throws AppError unauthenticated, forbidden; ConfigError */
export function createAuthenticate(config: Config, app: Database, verifyToken?: VerifyToken, onKeyUsed?: KeyUse['saw']): Authenticate {
  assertRoles(config)
  const { online, offline, remember } = createLookups(app)
  const defaults = defaultLimits(config)
  /** Kept by the row they come from, so that a request does not make them again. */
  const limits = new WeakMap<OwnLimits, Limits>()
  function limitsFor(own: OwnLimits): Limits {
    const made = limits.get(own) ?? limitsOf(defaults, own)
    limits.set(own, made)
    return made
  }
  const takes = { apiToken: config.AUTH_MODE !== 'jwt', keys: config.AUTH_MODE === 'mixed' || config.AUTH_MODE === 'open', tokens: config.AUTH_MODE !== 'token' }
  const tokenHash = takes.apiToken && config.SOMA_API_TOKEN ? hashSecret(config.SOMA_API_TOKEN) : undefined

  async function identify(lookup: Lookup, credential: string | undefined, host: string): Promise<Identified> {
    if (credential === undefined) {
      if (config.AUTH_MODE !== 'open') throw unauthenticated('Send "Authorization: Bearer <key>".')
      // a web page whose name was made to resolve to 127.0.0.1 (DNS rebinding) carries its own name as host
      if (config.AUTH_OPEN_IN_CONTAINER !== '1' && !loopbackNames.test(host))
        throw unauthenticated('Without a credential this answers only to a loopback address in the Host header.')
      return asDefault(lookup, 'open')
    }
    if (tokenHash && timingSafeEqual(hashSecret(credential), tokenHash)) return asDefault(lookup, 'api-token')
    if (verifyToken && takes.tokens && looksLikeToken(credential)) return byToken(lookup, verifyToken, credential)
    const parts = takes.keys ? parseKey(credential) : undefined
    if (!parts) throw unauthenticated('The credential is not valid.')
    const known = await lookup.keyOf(parts.tenantId, parts.keyId)
    // an unknown id costs the same comparison as a wrong secret
    const same = timingSafeEqual(hashSecret(parts.secret), known?.secretHash ?? Buffer.alloc(32))
    if (!known || !same || known.expiresAt <= Date.now()) throw unauthenticated('The credential is not valid.')
    if (lookup === online && !known.suspended) onKeyUsed?.(parts.tenantId, parts.keyId)
    return { known, actor: `key:${parts.keyId}`, of: lookedUp.key(parts.tenantId, parts.keyId) }
  }

  async function callerOf(lookup: Lookup, request: Request): Promise<Caller> {
    const { known, actor, of } = await identify(lookup, credentialOf(request), new URL(request.url).hostname)
    if (lookup === online) remember(of, known)
    const by = { tenantId: known.tenantId, actor }
    if (known.suspended) throw new AppError('forbidden', 'This tenant is suspended.', { denied: { reason: 'suspended', by } })
    const named = request.headers.get('x-tenant-id')
    if (named !== null && named !== known.tenant) throw new AppError('forbidden', 'X-Tenant-ID is not the tenant of this credential.', { denied: { reason: 'other tenant', by } })
    return {
      tenantId: known.tenantId,
      tenant: known.tenant,
      actor,
      scopes: new Set(known.scopes),
      limits: limitsFor(known.ownLimits),
      ...(known.reach ? { reach: known.reach } : {}),
    }
  }
  return Object.assign((request: Request) => callerOf(online, request), { offline: (request: Request) => callerOf(offline, request) })
}

async function asDefault(lookup: Lookup, actor: string): Promise<Identified> {
  const known = await lookup.tenantOf(defaultTenantId)
  if (!known) throw new AppError('unavailable', 'The tenant "default" is missing: run `npx soma migrate`.', { retryAfterSeconds: 5 })
  return { known: { ...known, scopes: [...tenantScopes] }, actor, of: lookedUp.tenant(defaultTenantId) }
}

/** The tenant is the one that the token's claim names, and may have been made by nobody here: then there is nothing to act for. */
async function byToken(lookup: Lookup, verifyToken: VerifyToken, token: string): Promise<Identified> {
  const { tenant, subject, scopes } = await verifyToken(token)
  const known = TenantName.safeParse(tenant).success ? await lookup.tenantNamed(tenant as string) : undefined
  if (!known) throw new AppError('forbidden', 'The token names no tenant of this installation.')
  return { known: { ...known, scopes: scopesWithin(known.tenantId, scopes) }, actor: `jwt:${subject}`, of: lookedUp.name(known.tenant) }
}

/** A role that stands for a scope that is none would silently be worth nothing, and one that is called like a scope would be two things. */
function assertRoles({ JWT_ROLE_SCOPES: roles = {} }: Config): void {
  const scopes: readonly string[] = allScopes
  const wrong = Object.values(roles)
    .flat()
    .find((scope) => !scopes.includes(scope))
  if (wrong !== undefined) throw new ConfigError(`JWT_ROLE_SCOPES names "${wrong}", which is no scope: there are ${allScopes.join(', ')}.`)
  const name = Object.keys(roles).find((role) => scopes.includes(role))
  if (name !== undefined) throw new ConfigError(`JWT_ROLE_SCOPES gives scopes to "${name}", which is a scope itself.`)
}

function credentialOf(request: Request): string | undefined {
  const header = request.headers.get('authorization')
  if (header !== null) {
    const match = /^Bearer +(\S+)$/i.exec(header)
    if (!match) throw unauthenticated('The Authorization header must read "Bearer <key>".')
    return match[1]
  }
  return request.headers.get('x-api-key') ?? undefined
}

function unauthenticated(detail: string): AppError {
  return new AppError('unauthenticated', detail, { headers: { 'www-authenticate': 'Bearer' } })
}
