import type { Command } from 'commander'
import type { Config } from '../../shared/config/index.ts'
import { type Database, migrate, openPostgres } from '../../shared/db/index.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, quietLog, refuseUrl } from './globals.ts'
import { answer } from './output.ts'
import { dataDirOf, openUnlessServed } from './served.ts'

const examples = `
It takes POSTGRES_MIGRATION_URL, or POSTGRES_URL, or the embedded database of the data directory.

Examples:
  $ npx soma migrate
  $ POSTGRES_MIGRATION_URL=postgres://owner@db/soma npx soma migrate --json`

export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description('bring the schema to the version of this code')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const globals = command.optsWithGlobals<Globals>()
      refuseUrl(globals, 'migrate')
      const database = await openOwner(await configOf(globals))
      try {
        const report = await migrate(database)
        answer(globals, report, report.from === report.to ? `The schema is at version ${report.to} already.` : `The schema went from version ${report.from} to ${report.to}.`)
      } finally {
        await database.close()
      }
    })
}

async function openOwner(config: Config): Promise<Database> {
  const url = config.POSTGRES_MIGRATION_URL ?? config.POSTGRES_URL
  if (url) {
    const log = quietLog(config)
    const ssl = config.POSTGRES_SSL_ROOT_CERT ? { sslRootCert: config.POSTGRES_SSL_ROOT_CERT } : {}
    return openPostgres({ url, max: 1, onError: (error) => log.warn({ err: error }, 'an idle database connection was lost'), ...ssl })
  }
  const { openEmbeddedDatabase } = await import('../../shared/embedded/index.ts')
  const found = await openUnlessServed(config, () => openEmbeddedDatabase({ dataDir: dataDirOf(config) }))
  if ('servedAt' in found) {
    throw new CommandError('unavailable', `A server at ${found.servedAt} has the embedded database open. Stop it and run this again; a server that starts also migrates by itself.`)
  }
  return found.opened
}
