import type { Config } from '../../shared/config/index.ts'
import { assertSchema, type Database, migrate, openPostgres } from '../../shared/db/index.ts'
import { CommandError } from './failure.ts'
import { quietLog } from './globals.ts'
import { dataDirOf, openUnlessServed } from './served.ts'

/** One statement of a long command may take this long on the embedded engine. */
const longestStatementMs = 3_600_000

/**
 * The database alone, by the login that the work needs, without handlers and jobs: POSTGRES_WORKER_URL or POSTGRES_MIGRATION_URL, POSTGRES_URL, or the embedded one.
 * @throws CommandError unavailable with `whenServed` when a server has the embedded one open
 */
export async function openDatabase(config: Config, login: 'worker' | 'owner', whenServed: string): Promise<Database> {
  const url = (login === 'worker' ? config.POSTGRES_WORKER_URL : config.POSTGRES_MIGRATION_URL) ?? config.POSTGRES_URL
  if (url) {
    const log = quietLog(config)
    const ssl = config.POSTGRES_SSL_ROOT_CERT ? { sslRootCert: config.POSTGRES_SSL_ROOT_CERT } : {}
    // more than one, for what goes on beside a long transaction
    return openPostgres({ url, max: 3, onError: (error) => log.warn({ err: error }, 'an idle database connection was lost'), ...ssl })
  }
  const { openEmbeddedDatabase } = await import('../../shared/embedded/index.ts')
  const found = await openUnlessServed(config, () => openEmbeddedDatabase({ dataDir: dataDirOf(config), statementTimeoutMs: longestStatementMs }))
  if ('servedAt' in found) throw new CommandError('unavailable', `A server at ${found.servedAt} has the embedded database open. ${whenServed}`)
  return found.opened
}

/** Runs `work` on that database and closes it. The schema is brought to this code's version where that is local, as a server's start does; elsewhere an older one is refused. */
export async function onDatabase<T>(config: Config, login: 'worker' | 'owner', whenServed: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await openDatabase(config, login, whenServed)
  try {
    if (config.STAGE === 'local' && (login === 'owner' || database.engine === 'pglite')) await migrate(database)
    await assertSchema(database)
    return await work(database)
  } finally {
    await database.close()
  }
}
