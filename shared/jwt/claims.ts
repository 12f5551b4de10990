import { createHash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import type { JwtSettings } from '../config/index.ts'

/** What a verified token says, in our words. `tenant` is undefined when its claim names none. */
export type TokenClaims = { tenant: string | undefined; subject: string; scopes: ReadonlySet<string> }

const longestSubject = 128
/** More would be no claim of rights, but a way to keep us busy. */
const mostScopes = 500

/** Undefined when nobody is named: neither `sub` nor the client that a token was made for. */
export function readClaims(payload: JWTPayload, { tenantClaim, scopeClaim, roleScopes }: JwtSettings): TokenClaims | undefined {
  const subject = [payload.sub, payload.client_id, payload.azp].find((one) => typeof one === 'string' && one !== '') as string | undefined
  if (subject === undefined) return undefined
  const tenant = claimOf(payload, tenantClaim)
  return { tenant: typeof tenant === 'string' ? tenant : undefined, subject: asActor(subject), scopes: scopesOf(claimOf(payload, scopeClaim), roleScopes) }
}

/** A claim by its whole name (which may be a URL, with dots), else along the dots: `realm_access.roles`. */
function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name]
  let value: unknown = payload
  for (const step of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string, unknown>)[step]
  }
  return value
}

/** A text split by spaces (RFC 8693, section 4.2), or a list of texts; each is a scope, or a role that stands for some. */
function scopesOf(claim: unknown, roleScopes: JwtSettings['roleScopes']): Set<string> {
  const given = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim.filter((one) => typeof one === 'string') : []
  return new Set(given.slice(0, mostScopes).flatMap((name) => [name, ...(Object.hasOwn(roleScopes, name) ? (roleScopes[name] as string[]) : [])]))
}

/** As it stands in the audit log: printable, and no longer than a name; what is cut keeps a part of its hash, so that two are not one. */
function asActor(subject: string): string {
  const printable = subject.replace(/[^\x21-\x7e]/g, '?')
  if (printable === subject && subject.length <= longestSubject) return subject
  const hash = createHash('sha256').update(subject).digest('hex').slice(0, 16)
  return `${printable.slice(0, longestSubject - hash.length - 1)}~${hash}`
}
