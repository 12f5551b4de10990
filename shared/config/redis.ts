import * as z from 'zod'

const form = 'takes redis://user:password@host:port, or rediss:// for TLS; several split by commas, or ?cluster=true behind it, are a cluster'

/** Redis' own form of a URL; several of them are nodes of one cluster. */
export const redisVariables = {
  REDIS_URL: z
    .string()
    .refine((text) => connectionOf(text, undefined) !== undefined, { error: form })
    .optional(),
  REDIS_SSL_CA_LOCATION: z.string().optional(),
}

/** Where Redis is and how it is spoken to. Several nodes, or `cluster`, make it a cluster: it is asked for the others. */
export type RedisConnection = {
  nodes: { host: string; port: number }[]
  cluster: boolean
  tls: boolean
  caLocation: string | undefined
  username: string | undefined
  password: string | undefined
  db: number
}

/** The connection that the configuration asks for, secrets fetched; undefined without REDIS_URL. */
export function redisConnection(values: { REDIS_URL?: string | undefined; REDIS_SSL_CA_LOCATION?: string | undefined }): RedisConnection | undefined {
  return values.REDIS_URL === undefined ? undefined : connectionOf(values.REDIS_URL, values.REDIS_SSL_CA_LOCATION)
}

/** What does not go together, one sentence each. */
export function redisProblems(values: { REDIS_URL?: string | undefined; REDIS_SSL_CA_LOCATION?: string | undefined }): string[] {
  const connection = redisConnection(values)
  return connection && values.REDIS_SSL_CA_LOCATION && !connection.tls ? ['REDIS_SSL_CA_LOCATION is set, but the connection has no TLS: REDIS_URL takes rediss:// then.'] : []
}

/** The first one's credentials are those of all; undefined when it has another form. */
function connectionOf(text: string, caLocation: string | undefined): RedisConnection | undefined {
  const parts = text.split(',').map((part) => part.trim())
  const urls = parts.flatMap((part) => (URL.canParse(part) ? [new URL(part)] : []))
  const [first] = urls
  if (!first || urls.length !== parts.length || urls.some((url) => url.protocol !== first.protocol || !url.hostname)) return undefined
  if (first.protocol !== 'redis:' && first.protocol !== 'rediss:') return undefined
  const database = /^\/?(\d{0,4})$/.exec(first.pathname)
  const queries = urls.flatMap((url) => [...url.searchParams])
  if (!database || queries.some(([name, value]) => name !== 'cluster' || !['true', 'false'].includes(value))) return undefined
  const cluster = urls.length > 1 || first.searchParams.get('cluster') === 'true'
  const db = Number(database[1])
  // a cluster has the database 0 only
  if (cluster && db !== 0) return undefined
  return {
    nodes: urls.map((url) => ({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 6379) })),
    cluster,
    tls: first.protocol === 'rediss:',
    caLocation,
    username: decoded(first.username),
    password: decoded(first.password),
    db,
  }
}

function decoded(part: string): string | undefined {
  if (part === '') return undefined
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
