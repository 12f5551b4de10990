import { fetchSecrets, invokeAsync, invokeFunction } from '../aws/index.ts'
import type { Publisher } from '../bus/index.ts'
import { type Config, ConfigError, withSecrets } from '../config/index.ts'
import { assertSafeRole, assertSchema, type Database, openPostgres } from '../db/index.ts'
import { createEmbedder, type Embedder } from '../embed/index.ts'
import { generationReader } from '../outbox/index.ts'
import { createLog, createMetrics, type Log, type Metrics } from '../telemetry/index.ts'
import { type Authenticate, createAuthenticate } from '../tenant/index.ts'

/** Everything a handler's deps are taken from. Connections open on first use. */
export type Runtime = {
  config: Config
  log: Log
  metrics: Metrics
  databases: Databases
  embedder: Embedder
  authenticate: Authenticate
  signingKey: string
  generation: () => Promise<number>
  /** Asks a job to run soon; a wake-up that gets lost is made good by the job's schedule. */
  wake: (job: string) => void
  /** Resolves when every wake-up so far has been handed over, or was lost. */
  wakesSent: () => Promise<void>
  /** Calls a deployed record function, where there are any. */
  invoke: (functionName: string, payload: unknown) => Promise<unknown>
  /** Overrides where the drain publishes to; the local adapter gives its bus. */
  publisher?: Publisher
}
export type Databases = { app: Database; worker: Database; owner: Database }
export type Need = 'app' | 'worker' | 'owner'

/** The runtime of a deployed handler: real Postgres, secrets by ARN. @throws ConfigError, or Error when the database refuses */
export async function deployedRuntime(given: Config, need: Need): Promise<Runtime> {
  const config = withSecrets(given, await fetchSecrets(given.secretArns))
  const log = createLog(config.LOG_LEVEL)
  const databases = openDatabases(config, log)
  if (need !== 'owner') {
    await assertSchema(databases[need])
    const { loginIsSafe } = await assertSafeRole(databases[need], need === 'app' ? 'soma_app' : 'soma_worker')
    if (!loginIsSafe && config.STAGE !== 'local')
      throw new ConfigError('The login of the database URL is a superuser or has BYPASSRLS: give the handlers one that is only a member of soma_app or soma_worker.')
  }
  if (need === 'app' && !config.SIGNING_KEY) throw new ConfigError('SIGNING_KEY is missing: every instance needs the same one, for cursors and tokens.')
  return assembleRuntime(config, log, databases, { signingKey: config.SIGNING_KEY ?? '', ...functionWaker(config, log) })
}

/** Puts a runtime together over open databases. */
export function assembleRuntime(
  config: Config,
  log: Log,
  databases: Databases,
  more: { signingKey: string; wake: Runtime['wake']; wakesSent: Runtime['wakesSent']; publisher?: Publisher },
): Runtime {
  for (const warning of config.warnings) log.warn(warning)
  return {
    config,
    log,
    metrics: createMetrics(),
    databases,
    embedder: createEmbedder(config),
    authenticate: createAuthenticate(config, databases.app),
    signingKey: more.signingKey,
    generation: generationReader(databases.worker),
    wake: more.wake,
    wakesSent: more.wakesSent,
    invoke: callFunction,
    ...(more.publisher ? { publisher: more.publisher } : {}),
  }
}

/** One pool a distinct URL; the worker and the owner fall back to POSTGRES_URL. */
export function openDatabases(config: Config, log: Log): Databases {
  const opened = new Map<string, Database>()
  const open = (url: string | undefined, variable: string): Database => {
    if (!url) throw new ConfigError(`${variable} is missing: a deployed handler needs a Postgres.`)
    const known = opened.get(url)
    if (known) return known
    const database = openPostgres({
      url,
      max: config.POSTGRES_POOL_SIZE,
      statementTimeoutMs: config.STATEMENT_TIMEOUT_MS,
      onError: (error) => log.warn({ err: error }, 'an idle database connection was lost'),
      ...(config.POSTGRES_SSL_ROOT_CERT ? { sslRootCert: config.POSTGRES_SSL_ROOT_CERT } : {}),
    })
    opened.set(url, database)
    return database
  }
  const app = open(config.POSTGRES_URL ?? config.POSTGRES_WORKER_URL ?? config.POSTGRES_MIGRATION_URL, 'POSTGRES_URL')
  return {
    app,
    worker: config.POSTGRES_WORKER_URL ? open(config.POSTGRES_WORKER_URL, 'POSTGRES_WORKER_URL') : app,
    owner: config.POSTGRES_MIGRATION_URL ? open(config.POSTGRES_MIGRATION_URL, 'POSTGRES_MIGRATION_URL') : app,
  }
}

/** FUNCTION_<NAME> is a Lambda function's name, or the URL of a task. */
function isUrl(target: string): boolean {
  return /^https?:\/\//.test(target)
}

async function callFunction(target: string, payload: unknown): Promise<unknown> {
  if (!isUrl(target)) return invokeFunction(target, payload)
  const response = await fetch(target, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(payload),
    signal: AbortSignal.timeout(60_000),
    redirect: 'error',
  })
  if (!response.ok) throw new Error(`${target} answered ${response.status}`)
  return response.json()
}

function functionWaker(config: Config, log: Log): Pick<Runtime, 'wake' | 'wakesSent'> {
  const underway = new Set<Promise<void>>()
  return {
    wake(job) {
      const target = config.functionNames[job]
      if (target === undefined || isUrl(target)) return
      const sending = invokeAsync(target, {})
        .catch((error) => log.warn({ err: error, job }, 'the wake-up was lost; the schedule will make it good'))
        .finally(() => underway.delete(sending))
      underway.add(sending)
    },
    async wakesSent() {
      await Promise.all(underway)
    },
  }
}
