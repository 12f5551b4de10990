type Login = { engine?: unknown; username?: unknown; password?: unknown; host?: unknown; port?: unknown; dbname?: unknown }

/**
 * What a secret says: its plain text, `{"value": "…"}`, or a login as AWS keeps it (`engine`, `username`, `password`, `host`, `port`, `dbname`), which becomes a URL. `host` takes the place of
 * the login's own, such as a proxy's. A login that names no engine is one of Redis, by TLS. @throws Error that never holds a value
 */
export function secretText(secret: string, host?: string): string {
  if (!secret.startsWith('{')) return secret
  const parsed = objectOf(secret)
  if (typeof parsed.value === 'string') return parsed.value
  if (typeof parsed.password === 'string') return urlOf({ ...parsed, ...(host ? { host } : {}) })
  throw new Error('a secret in JSON takes the form {"value": "…"}, or that of a login: {"username": "…", "password": "…", "host": "…"}')
}

function urlOf({ engine = 'redis', username, password, host, port, dbname }: Login): string {
  if (typeof host !== 'string') throw new Error('the login names no host')
  const credentials = [username ?? '', password].map((part) => encodeURIComponent(String(part))).join(':')
  if (engine === 'redis') return `rediss://${credentials}@${host}:${port ?? 6379}`
  if (engine === 'postgres' || engine === 'aurora-postgresql') return `postgres://${credentials}@${host}:${port ?? 5432}/${encodeURIComponent(String(dbname ?? 'somamemory'))}`
  throw new Error('the login is of another engine than postgres or redis')
}

function objectOf(text: string): Record<string, unknown> {
  const parsed: unknown = JSON.parse(text)
  return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {}
}
