export { type Access, assertSafeRole, type Database, databaseOver, openPostgres, type Role, type Sql, singly } from './database.ts'
export { assertSchema, currentSchemaVersion, type MigrationReport, migrate, migrations, schemaVersion } from './migrate.ts'
export { itemProblemOf } from './sqlstate.ts'
