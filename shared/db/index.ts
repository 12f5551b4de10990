export { type Access, assertSafeRole, type Database, databaseOver, openPostgres, type Role, type Settings, type Sql, singly } from './database.ts'
export { assertSchema, currentSchemaVersion, type MigrationReport, migrate, migrations, schemaVersion } from './migrate.ts'
export { savepoints } from './savepoints.ts'
export { isUnreachable, itemProblemOf } from './sqlstate.ts'
