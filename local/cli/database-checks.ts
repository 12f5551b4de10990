import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { Config } from '../../shared/config/index.ts'
import { assertSafeRole, currentSchemaVersion, type Database, migrations, type Role, schemaVersion } from '../../shared/db/index.ts'
import type { Databases } from '../../shared/host/index.ts'
import { pendingByTenant } from '../../shared/outbox/index.ts'
import { type Check, check, serverChecks } from './checks.ts'
import { type Globals, quietLog } from './globals.ts'
import { dataDirOf, openUnlessServed } from './served.ts'

/** From the engine up: each check needs the ones before it, so the first that fails ends them. */
export async function databaseChecks(config: Config, globals: Globals): Promise<Check[]> {
  const name = config.POSTGRES_URL ? 'postgres' : 'data directory'
  if (!config.POSTGRES_URL && dataDirOf(config) !== 'memory://' && !existsSync(dataDirOf(config))) {
    return [{ name, ok: true, detail: `There is no ${dataDirOf(config)} yet: the first \`npx soma start\` makes it.` }]
  }
  let found: { opened: Databases } | { servedAt: string }
  try {
    found = await openUnlessServed(config, () => open(config))
  } catch (error) {
    return [{ name, ok: false, detail: error instanceof Error ? error.message : String(error) }]
  }
  if ('servedAt' in found) return [{ name, ok: true, detail: `The server at ${found.servedAt} has it open.` }, ...(await serverChecks(found.servedAt, globals))]
  const databases = found.opened
  try {
    return await checksOf(name, databases, config)
  } finally {
    for (const database of new Set(Object.values(databases))) await database.close()
  }
}

async function open(config: Config): Promise<Databases> {
  if (config.POSTGRES_URL) return (await import('../../shared/host/index.ts')).openDatabases(config, quietLog(config))
  const { openEmbeddedDatabase } = await import('../../shared/embedded/index.ts')
  const database = await openEmbeddedDatabase({ dataDir: dataDirOf(config) })
  return { app: database, worker: database, owner: database }
}

async function checksOf(name: string, databases: Databases, config: Config): Promise<Check[]> {
  const checks = [
    () => check(name, () => engineOf(databases), 'Start Postgres, or look at POSTGRES_URL, POSTGRES_WORKER_URL and POSTGRES_MIGRATION_URL.'),
    () => check('pgvector', () => vectorOf(databases), 'Install pgvector 0.7 or newer on the database server.'),
    () => check('schema', () => schemaOf(databases)),
    () => check('role of requests', () => roleOf(databases.app, 'soma_app', config)),
    () => check('role of workers', () => roleOf(databases.worker, 'soma_worker', config)),
    () => check('outbox', () => outboxOf(databases)),
  ]
  const done: Check[] = []
  for (const next of checks) {
    if (done.at(-1)?.ok === false) break
    done.push(await next())
  }
  return done
}

async function engineOf({ app, worker, owner }: Databases): Promise<string> {
  const versions = await Promise.all([...new Set([app, worker, owner])].map((database) => database.maintenance((sql) => sql.query<{ version: string }>('select version()'))))
  return `${versions[0]?.[0]?.version.split(' on ')[0]} answers.`
}

async function vectorOf({ owner }: Databases): Promise<string> {
  const [row] = await owner.maintenance((sql) =>
    sql.query<{ installed: string | null; available: string | null }>(
      `select (select extversion from pg_extension where extname = 'vector') as installed, (select default_version from pg_available_extensions where name = 'vector') as available`,
    ),
  )
  const version = row?.installed ?? row?.available
  if (!version) throw new Error('pgvector is not there')
  return `pgvector ${version}.`
}

async function schemaOf({ owner }: Databases): Promise<string> {
  const version = await currentSchemaVersion(owner)
  if (version < schemaVersion) throw new Error(`The schema has version ${version}, this code needs ${schemaVersion}: run \`npx soma migrate\``)
  const applied = await owner.maintenance((sql) => sql.query<{ version: number; checksum: string }>('select version, checksum from schema_migrations order by version'))
  const changed = migrations.findIndex((text, index) => createHash('sha256').update(text).digest('hex') !== applied[index]?.checksum)
  if (changed !== -1) throw new Error(`Migration ${changed + 1} is another one than ran on this database: use the code that made it, or a new database`)
  return `The schema has version ${version}${version > schemaVersion ? `, newer than this code's ${schemaVersion}` : ''}.`
}

async function roleOf(database: Database, role: Role, { STAGE }: Config): Promise<string> {
  const { loginIsSafe } = await assertSafeRole(database, role)
  const remedy = 'give it one that is only a member of soma_app and soma_worker'
  if (database.engine === 'pglite' || loginIsSafe) return `Transactions run as ${role}, bound by row-level security.`
  if (STAGE !== 'local') throw new Error(`The login of the database URL could pass by row-level security: ${remedy}`)
  return `Transactions run as ${role}, bound by row-level security. The login is a superuser; where STAGE is not local, ${remedy}.`
}

async function outboxOf({ worker }: Databases): Promise<string> {
  const rows = await pendingByTenant(worker)
  const sum = (of: 'pending' | 'dead') => rows.reduce((total, row) => total + row[of], 0)
  if (sum('dead') > 0)
    throw new Error(`${sum('dead')} rows of the outbox are dead (${sum('pending')} pending): their last_error says why. Correct the cause and set them to pending again`)
  return `${sum('pending')} rows pending, none dead.`
}
