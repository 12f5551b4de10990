import { fetchSecrets } from '../aws/index.ts'
import { type Config, ConfigError, type SecretName, secretHosts } from '../config/index.ts'
import { type Database, openPostgres, type Settings } from '../db/index.ts'
import type { Log } from '../telemetry/index.ts'
import { defaultLimits } from '../tenant/index.ts'

/** Of a request, of jobs, of the schema: as many logins. */
export type Databases = { app: Database; worker: Database; owner: Database }

/** What the database must know in every transaction: the quotas of tenants that have none of their own. */
export function databaseSettings(config: Config): Settings {
  const { daily_writes, memories, bytes } = defaultLimits(config)
  const quotas = JSON.stringify({ daily_writes, memories, bytes })
  return quotas === '{}' ? {} : { 'soma.quota_defaults': quotas }
}

/** One pool a distinct URL; the worker and the owner fall back to POSTGRES_URL. */
export function openDatabases(config: Config, log: Log): Databases {
  const opened = new Map<string, Database>()
  const open = (url: string | undefined, variable: SecretName): Database => {
    if (!url) throw new ConfigError(`${variable} is missing: a deployed handler needs a Postgres.`)
    const known = opened.get(url)
    if (known) return known
    const database = openPostgres({
      url,
      max: config.POSTGRES_POOL_SIZE,
      statementTimeoutMs: config.STATEMENT_TIMEOUT_MS,
      settings: databaseSettings(config),
      onError: (error) => log.warn({ err: error }, 'an idle database connection was lost'),
      onNoPlans: (error) =>
        log.warn({ err: error }, 'the pooler before the database keeps no prepared statements (PgBouncer: max_prepared_statements): recalls are planned each time'),
      ...(config.POSTGRES_SSL_ROOT_CERT ? { sslRootCert: config.POSTGRES_SSL_ROOT_CERT } : {}),
      ...freshUrl(config, variable),
    })
    opened.set(url, database)
    return database
  }
  const of = (variable: 'POSTGRES_URL' | 'POSTGRES_WORKER_URL' | 'POSTGRES_MIGRATION_URL') => open(config[variable], variable)
  const given = (['POSTGRES_URL', 'POSTGRES_WORKER_URL', 'POSTGRES_MIGRATION_URL'] as const).find((variable) => config[variable] !== undefined)
  const app = of(given ?? 'POSTGRES_URL')
  return {
    app,
    worker: config.POSTGRES_WORKER_URL ? of('POSTGRES_WORKER_URL') : app,
    owner: config.POSTGRES_MIGRATION_URL ? of('POSTGRES_MIGRATION_URL') : app,
  }
}

/** A URL that came by ARN is fetched again when its password is refused. */
function freshUrl(config: Config, variable: SecretName): { freshUrl?: () => Promise<string | undefined> } {
  const arn = config.secretArns[variable]
  return arn === undefined ? {} : { freshUrl: async () => (await fetchSecrets({ [variable]: arn }, secretHosts(config)))[variable] }
}
