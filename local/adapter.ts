import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { manifest } from '../functions/manifest.ts'
import { inProcessBus, type Subscriber } from '../shared/bus/index.ts'
import { type Config, ConfigError } from '../shared/config/index.ts'
import { assertSafeRole, assertSchema, migrate } from '../shared/db/index.ts'
import { openEmbeddedDatabase } from '../shared/embedded/index.ts'
import type { JobReport } from '../shared/handler/index.ts'
import { assembleRuntime, type Databases, databaseSettings, openDatabases, type RunningJournal, type Runtime, startJournal, tellWhatIsAway, traceOf } from '../shared/host/index.ts'
import type { Log } from '../shared/telemetry/index.ts'
import { dispatch } from './dispatch.ts'
import { createHandlers, type Handlers } from './handlers.ts'
import { createJobs, type Jobs } from './jobs.ts'
import { keepTidy } from './tidy.ts'

export type Local = {
  fetch(request: Request): Promise<Response>
  runJob(name: string, signal?: AbortSignal): Promise<JobReport>
  jobs: Jobs
  /** With a broker: consumes as this record handler, or as each of them, until closed. Without one there is nothing to do: the drain hands records over itself. */
  consume(name?: string): void
  /** Says in the log which dependency cannot be used. */
  tellWhatIsAway(): Promise<void>
  /** Writes what reads have used so far, and what was denied. */
  flushReads(): Promise<void>
  db: Databases
  config: Config
  /** Ends the jobs and closes the databases. */
  close(): Promise<void>
}

/**
 * Opens the databases (embedded, or POSTGRES_*), migrates where that is local, and wires every handler of the manifest: no port, no timers. With `journal`, as a server, it
 * takes the journal of JOURNAL_DIR too.
 */
export async function openLocal(config: Config, log: Log, { journal: withJournal = false } = {}): Promise<Local> {
  const databases = await openAny(config, log)
  try {
    if (config.STAGE === 'local') await migrate(databases.owner)
    await assertSchema(databases.app)
    const { loginIsSafe } = await assertSafeRole(databases.app, 'soma_app')
    await assertSafeRole(databases.worker, 'soma_worker')
    if (!loginIsSafe && databases.app.engine === 'postgres') {
      if (config.STAGE !== 'local') throw new Error('The login of POSTGRES_URL is a superuser: give the handlers one that is only a member of soma_app and soma_worker.')
      log.warn(
        'The login of POSTGRES_URL is a superuser; row-level security holds inside every transaction, but a login that is only a member of soma_app and soma_worker is safer.',
      )
    }
  } catch (error) {
    await closeDatabases(databases)
    throw error
  }
  // the bus and the jobs hold the handlers, whose deps hold the bus and the jobs: both are looked up when they are used
  let handlers: Handlers | undefined
  let jobs: Jobs | undefined
  const publisher = inProcessBus(() => subscribersOf(handlers as Handlers))
  const runtime = assembleRuntime(config, log, databases, {
    signingKey: config.SIGNING_KEY ?? localSigningKey(config),
    wake: (job) => jobs?.wake(job),
    wakesSent: async () => {},
    publisher,
    tracing: await traceOf(config, log),
  })
  const journal = withJournal ? await openJournalOf(runtime, databases) : undefined
  if (journal) runtime.journal = journal
  handlers = createHandlers(runtime)
  const tidy = keepTidy(databases.owner, log)
  const startedJobs = createJobs(handlers.jobs, (report) => tidy.worked(report.done))
  jobs = startedJobs
  const http = dispatch(handlers.http)
  return {
    fetch: async (request) => http.fetch(request),
    runJob: startedJobs.run,
    jobs: startedJobs,
    consume(name) {
      for (const subscriber of subscribersOf(handlers as Handlers)) {
        if (!runtime.kafka || (name !== undefined && name !== subscriber.name)) continue
        // a counter that begins at 1 has not risen
        runtime.metrics.deadLetters.inc({ consumer: subscriber.name }, 0)
        runtime.kafka.consume(subscriber)
      }
    },
    tellWhatIsAway: () => tellWhatIsAway(runtime),
    flushReads: async () => void (await Promise.all([runtime.keyUse.written(), runtime.meter.flush(), runtime.denials.flush()])),
    db: databases,
    config,
    async close() {
      await journal?.close()
      await tidy.stop()
      await startedJobs.stop()
      await runtime.kafka?.close()
      await runtime.redis?.close()
      await runtime.vectorEngine?.engine.close()
      await Promise.all([runtime.keyUse.written(), runtime.meter.close(), runtime.denials.close()])
      await closeDatabases(databases)
      await runtime.tracing.close()
    },
  }
}

async function openAny(config: Config, log: Log): Promise<Databases> {
  if (config.POSTGRES_URL) return openDatabases(config, log)
  // a deployed job has the login of its role alone: the embedded database would be an empty one that nobody meant
  const other = (['POSTGRES_WORKER_URL', 'POSTGRES_MIGRATION_URL'] as const).find((name) => config[name] !== undefined)
  if (other) throw new ConfigError(`POSTGRES_URL is missing, and ${other} is set: give all of them, or none for the embedded database.`)
  const dataDir = config.SOMA_DATA_DIR === 'memory://' ? config.SOMA_DATA_DIR : resolve(config.SOMA_DATA_DIR)
  const database = await openEmbeddedDatabase({
    dataDir,
    statementTimeoutMs: config.STATEMENT_TIMEOUT_MS,
    settings: databaseSettings(config),
    onEvent: (event) => (event.type === 'opened' ? log.debug(event, 'engine') : log.warn(event, 'engine')),
  })
  return { app: database, worker: database, owner: database }
}

async function openJournalOf(runtime: Runtime, databases: Databases): Promise<RunningJournal | undefined> {
  try {
    return await startJournal(runtime)
  } catch (error) {
    await runtime.meter.close()
    await closeDatabases(databases)
    await runtime.tracing.close()
    throw error
  }
}

async function closeDatabases(databases: Databases): Promise<void> {
  for (const database of new Set(Object.values(databases))) await database.close()
}

function subscribersOf(handlers: Handlers): Subscriber[] {
  return manifest.flatMap((row) =>
    row.kind === 'records' ? [{ name: row.name, topic: row.topic, batchSize: row.batchSize, handler: handlers.records[row.name] as Subscriber['handler'] }] : [],
  )
}

/** A key of this data directory's own, made once: cursors stay good over a restart. */
/** The key that is made once and kept in the data directory, where the configuration gives none. */
export function localSigningKey(config: Config): string {
  if (config.SOMA_DATA_DIR === 'memory://') return randomBytes(32).toString('hex')
  const file = join(resolve(config.SOMA_DATA_DIR), 'signing-key')
  mkdirSync(resolve(config.SOMA_DATA_DIR), { recursive: true, mode: 0o700 })
  try {
    writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readFileSync(file, 'utf8').trim()
}
