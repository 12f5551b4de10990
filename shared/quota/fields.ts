/** How a caller stands with one limit. Without `seconds` it is no window: waiting does not help. */
export type Standing = { name: string; limit: number; seconds?: number; remaining: number; resetSeconds?: number }

/** The fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10): lists of structured fields, one item a limit. */
export function rateLimitFields(standings: readonly Standing[]): Record<string, string> {
  if (!standings.length) return {}
  const item = (name: string, parameters: Record<string, number | undefined>) =>
    `"${name}"${Object.entries(parameters)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `;${key}=${value}`)
      .join('')}`
  return {
    'ratelimit-policy': standings.map(({ name, limit, seconds }) => item(name, { q: limit, w: seconds })).join(', '),
    ratelimit: standings.map(({ name, remaining, resetSeconds }) => item(name, { r: remaining, t: resetSeconds })).join(', '),
  }
}
