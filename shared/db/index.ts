import { databaseOver, type Database } from './database.ts'
import { type EmbeddedOptions, openEmbedded } from './embedded/index.ts'

export { type Access, assertSafeRole, type Database, databaseOver, openPostgres, type Role, type Sql } from './database.ts'
export type { EmbeddedOptions } from './embedded/index.ts'
export { assertSchema, currentSchemaVersion, type MigrationReport, migrate, migrations, schemaVersion } from './migrate.ts'
export { itemProblemOf } from './sqlstate.ts'

/** The embedded engine as a Database. @throws Error when the directory is in use or of another engine version */
export async function openEmbeddedDatabase(options: EmbeddedOptions): Promise<Database & { engineVersion: string }> {
  const engine = await openEmbedded(options)
  return { ...databaseOver(engine.pool, 'pglite', () => engine.close()), engineVersion: engine.engineVersion }
}
