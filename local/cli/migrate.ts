import type { Command } from 'commander'
import { currentSchemaVersion, type Database, migrate, schemaVersion } from '../../shared/db/index.ts'
import { openDatabase } from './database.ts'
import { configOf, type Globals, refuseUrl } from './globals.ts'
import { answer } from './output.ts'

const examples = `
It takes POSTGRES_MIGRATION_URL, or POSTGRES_URL, or the embedded database of the data directory.

Examples:
  $ npx soma migrate
  $ npx soma migrate --status
  $ POSTGRES_MIGRATION_URL=postgres://owner@db/soma npx soma migrate --json`

export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description('bring the schema to the version of this code')
    .option('--status', 'change nothing: say which version the database has; exits 1 when it is not that of this code')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const { status, ...globals } = command.optsWithGlobals<Globals & { status?: true }>()
      refuseUrl(globals, 'migrate')
      const database = await openDatabase(await configOf(globals), 'owner', 'Stop it and run this again; a server that starts also migrates by itself.')
      try {
        if (status) return await showStatus(globals, database)
        const report = await migrate(database)
        answer(globals, report, report.from === report.to ? `The schema is at version ${report.to} already.` : `The schema went from version ${report.from} to ${report.to}.`)
      } finally {
        await database.close()
      }
    })
}

async function showStatus(globals: Globals, database: Database): Promise<void> {
  const version = await currentSchemaVersion(database)
  const remedy = version < schemaVersion ? ': run `npx soma migrate`' : version > schemaVersion ? ': deploy the newer code' : ''
  answer(globals, { version, code: schemaVersion, current: version === schemaVersion }, `The schema is at version ${version}, this code's is ${schemaVersion}${remedy}.`)
  if (version !== schemaVersion) process.exitCode = 1
}
