import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, ensureLogin, isUnreachable, loginOf, migrate, prepareDatabase } from '../../shared/db/index.ts'
import type { JobHandler } from '../../shared/handler/index.ts'
import type { MigrateDeps, NewDatabase } from './deps.ts'

/** A database that pauses while nobody asks it is back within some 15 s, and a new one takes connections soon after it is made. */
const patienceMs = 90_000
const betweenTriesMs = 2_000

/**
 * Brings the schema to the version of this code. Where it is given the database's admin, it makes the extension and the logins too, and gives them the passwords of their URLs; where it is told to, it
 * makes the broker's topics. As a step of a deployment it leaves a newer schema as it is: then the deployment is going back.
 */
export function createMigrate({ owner, newDatabase, makeTopics }: MigrateDeps): JobHandler {
  return async () => {
    if (newDatabase) await prepare(newDatabase)
    const { from, to } = await migrate(owner, { newer: newDatabase ? 'left' : 'refused' })
    if (newDatabase?.app) await ensureLogin(owner, loginOf(newDatabase.app), 'soma_app')
    if (newDatabase?.worker) await ensureLogin(owner, loginOf(newDatabase.worker), 'soma_worker')
    const topics = await makeTopics?.()
    return { done: to - from, remaining: false, detail: { from, to, ...(topics ? { topics: topics.map(({ topic, action }) => ({ topic, action })) } : {}) } }
  }
}

async function prepare({ openAdmin, migrator }: NewDatabase): Promise<void> {
  if (!migrator) throw new Error('POSTGRES_ADMIN_URL is set without POSTGRES_MIGRATION_URL: the login that is to own the schema has no name.')
  const admin = openAdmin()
  try {
    await untilThere(admin)
    await prepareDatabase(admin, loginOf(migrator))
  } finally {
    await admin.close()
  }
}

async function untilThere(database: Database): Promise<void> {
  for (const giveUp = Date.now() + patienceMs; ; ) {
    try {
      await database.maintenance((sql) => sql.query('select'))
      return
    } catch (error) {
      if (!isUnreachable(error) || Date.now() > giveUp) throw error
      await sleep(betweenTriesMs)
    }
  }
}
