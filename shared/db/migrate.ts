import { createHash } from 'node:crypto'
import type { Database, Sql } from './database.ts'
import { sql as rolesAndTenants } from './migrations/0001-roles-and-tenants.ts'
import { sql as memories } from './migrations/0002-memories.ts'
import { sql as pipeline } from './migrations/0003-pipeline.ts'
import { sql as writeFunctions } from './migrations/0004-write-functions.ts'
import { sql as storeFunction } from './migrations/0005-store-function.ts'
import { sql as workerPolicies } from './migrations/0006-worker-policies.ts'
import { sql as linksSessionsOperations } from './migrations/0007-links-sessions-operations.ts'
import { sql as time } from './migrations/0008-time.ts'
import { sql as storeWithTime } from './migrations/0009-store-with-time.ts'
import { sql as forget } from './migrations/0010-forget.ts'
import { sql as counting } from './migrations/0011-counting.ts'
import { sql as importLines } from './migrations/0012-import.ts'
import { sql as restoreRole } from './migrations/0013-restore-role.ts'
import { sql as coordsOnce } from './migrations/0014-coords-once.ts'
import { sql as vectorsByTime } from './migrations/0015-vectors-by-time.ts'
import { sql as outboxDepths } from './migrations/0016-outbox-depths.ts'
import { sql as wordsByTime } from './migrations/0017-words-by-time.ts'
import { sql as quotas } from './migrations/0018-quotas.ts'
import { sql as modelRoles } from './migrations/0019-model-roles.ts'
import { sql as versionsBySession } from './migrations/0020-versions-by-session.ts'
import { sql as transfers } from './migrations/0021-transfers.ts'
import { sql as vectorCollections } from './migrations/0022-vector-collections.ts'
import { sql as partsByName } from './migrations/0023-parts-by-name.ts'
import { sql as recountedWords } from './migrations/0024-recounted-words.ts'
import { sql as previousTurns } from './migrations/0025-previous-turns.ts'
import { sql as wordCounts } from './migrations/0026-word-counts.ts'
import { sql as vectorsByKey } from './migrations/0027-vectors-by-key.ts'
import { sql as recovery } from './migrations/0028-recovery.ts'
import { sql as backupStates } from './migrations/0029-backup-states.ts'
import { sql as identity } from './migrations/0030-identity.ts'
import { sql as auditChain } from './migrations/0031-audit-chain.ts'

/** Forward only, in order, each in a transaction of its own; a list in code, so that a bundle carries it. */
export const migrations = [
  rolesAndTenants,
  memories,
  pipeline,
  writeFunctions,
  storeFunction,
  workerPolicies,
  linksSessionsOperations,
  time,
  storeWithTime,
  forget,
  counting,
  importLines,
  restoreRole,
  coordsOnce,
  vectorsByTime,
  outboxDepths,
  wordsByTime,
  quotas,
  modelRoles,
  versionsBySession,
  transfers,
  vectorCollections,
  partsByName,
  recountedWords,
  previousTurns,
  wordCounts,
  vectorsByKey,
  recovery,
  backupStates,
  identity,
  auditChain,
] as const
export const schemaVersion = migrations.length

export type MigrationReport = { from: number; to: number }

/**
 * Brings the schema to this code's version under an advisory lock. @throws Error when a migration that ran was changed since; when the schema is newer, unless that is to be `left`: where a deployment goes
 * back, the code before works on the schema after it.
 */
export function migrate(db: Database, { newer = 'refused' }: { newer?: 'refused' | 'left' } = {}): Promise<MigrationReport> {
  return db.maintenance(async (sql) => {
    await sql.query(`select pg_advisory_lock(hashtextextended('soma migrate ' || current_schema(), 0))`)
    try {
      return await migrateLocked(sql, newer)
    } finally {
      await sql.query(`select pg_advisory_unlock(hashtextextended('soma migrate ' || current_schema(), 0))`)
    }
  })
}

async function migrateLocked(sql: Sql, newer: 'refused' | 'left'): Promise<MigrationReport> {
  await sql.query('create table if not exists schema_migrations (version integer primary key, checksum text not null, applied_at timestamptz not null default now())')
  await sql.query('grant select on schema_migrations to public')
  const applied = await sql.query<{ version: number; checksum: string }>('select version, checksum from schema_migrations order by version')
  if (newer === 'refused') refuseNewer(applied.length)
  for (const [index, text] of migrations.entries()) {
    const checksum = createHash('sha256').update(text).digest('hex')
    const row = applied[index]
    if (row) {
      if (row.checksum !== checksum) throw new Error(`Migration ${index + 1} was changed after it ran on this database; migrations are only ever added.`)
      continue
    }
    await sql.query('begin')
    try {
      await sql.query("select set_config('lock_timeout', '10s', true)")
      await sql.query(text)
      await sql.query('reset role')
      await sql.query('insert into schema_migrations (version, checksum) values ($1::integer, $2::text)', [index + 1, checksum])
      await sql.query('commit')
    } catch (error) {
      await sql.query('rollback')
      throw new Error(`Migration ${index + 1} failed and was rolled back: ${error instanceof Error ? error.message : error}`, { cause: error })
    }
  }
  return { from: applied.length, to: Math.max(applied.length, migrations.length) }
}

function refuseNewer(version: number): void {
  if (version > schemaVersion) throw new Error(`The database has schema ${version}, this code knows ${schemaVersion}: deploy the newer code.`)
}

/** The version the database has; 0 when it has none. */
export function currentSchemaVersion(db: Database): Promise<number> {
  return db.maintenance(async (sql) => {
    const [table] = await sql.query<{ found: boolean }>(`select to_regclass('schema_migrations') is not null as found`)
    if (!table?.found) return 0
    const [row] = await sql.query<{ version: number }>('select coalesce(max(version), 0) as version from schema_migrations')
    return row?.version ?? 0
  })
}

/** Refuses to serve on a schema that is older than this code. @throws Error that says what to run */
export async function assertSchema(db: Database): Promise<void> {
  const version = await currentSchemaVersion(db)
  if (version < schemaVersion) throw new Error(`The database has schema ${version}, this code needs ${schemaVersion}: run \`npx soma migrate\`.`)
}
