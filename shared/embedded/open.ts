import { mkdirSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import pg from 'pg'
import { lockDirectory } from '../lock/index.ts'
import { beginRecord, finishRecord, inspectDirectory, pgliteVersion } from './engine-record.ts'
import { sessionStream } from './session-stream.ts'
import { type Supervisor, supervise } from './supervise.ts'

export type EmbeddedEvent = { type: 'opened' | 'reopened' | 'deadline' | 'crashed'; detail?: string; ms?: number }

export type EmbeddedOptions = {
  /** An absolute path, or `memory://` for a database that ends with the process (and with every stopped statement). */
  dataDir: string
  /** After this long a statement is stopped with SQLSTATE 57014 and the engine is opened again; 30,000 by default, 0 for never. */
  statementTimeoutMs?: number
  onEvent?: (event: EmbeddedEvent) => void
}

export type Embedded = { pool: pg.Pool; close(): Promise<void>; engineVersion: string }

const MEMORY = 'memory://'
/** How long close() waits for clients that somebody still holds. */
const POOL_GRACE_MS = 10_000

/**
 * Opens Postgres (PGlite with pgvector) in a worker thread of this process, behind an ordinary pg.Pool of one connection.
 * What was acknowledged survives kill -9; a power cut may take the last seconds, as PGlite never calls fsync.
 * @throws Error when the directory is in use, holds something else, or belongs to another major version of Postgres
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { dataDir } = options
  if (dataDir === MEMORY) {
    const engine = supervise(options)
    await engine.ready()
    return embedded(engine, () => {})
  }
  if (!isAbsolute(dataDir)) throw new Error(`The data directory must be an absolute path or ${MEMORY}, not "${dataDir}".`)

  inspectDirectory(dataDir) // before the lock too, which puts a file where there may be somebody else's
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const unlock = await lockDirectory(dataDir)
  try {
    if (inspectDirectory(dataDir) !== 'initialized') beginRecord(dataDir)
    const engine = supervise({ ...options, dataDir: join(dataDir, 'pg') })
    await engine.ready()
    finishRecord(dataDir)
    return embedded(engine, unlock)
  } catch (error) {
    unlock()
    throw error
  }
}

function embedded(engine: Supervisor, unlock: () => void): Embedded {
  const pool = new pg.Pool({
    stream: () => sessionStream(engine),
    max: 1,
    idleTimeoutMillis: 0, // a client costs nothing while idle and keeps its prepared statements
    user: 'postgres', // these and ssl are set lest pg reads them from PGUSER, PGSSLMODE …
    database: 'postgres',
    host: 'embedded',
    password: '',
    ssl: false,
  })
  // Losing the engine rejects the query that ran and is reported by onEvent; these events repeat it, and unheard they end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))

  let closing: Promise<void> | undefined
  async function close(): Promise<void> {
    const grace = Promise.withResolvers<void>()
    const timer = setTimeout(grace.resolve, POOL_GRACE_MS)
    await Promise.race([pool.end(), grace.promise])
    clearTimeout(timer)
    await engine.close()
    unlock()
  }
  return {
    pool,
    engineVersion: `PostgreSQL ${engine.serverVersion()} (PGlite ${pgliteVersion()})`,
    close: () => {
      closing ??= close()
      return closing
    },
  }
}
