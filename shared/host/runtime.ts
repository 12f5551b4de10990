import { type Armings, createArmings } from '../arming/index.ts'
import { createDenials, type Denials } from '../audit/index.ts'
import { fetchSecrets, invokeAsync, invokeFunction } from '../aws/index.ts'
import { type Breakers, createBreakers } from '../breaker/index.ts'
import { breakingPublisher, type Publisher } from '../bus/index.ts'
import { type Config, ConfigError, kafkaConnection, type SecretName, secretHosts, withSecrets } from '../config/index.ts'
import { assertSafeRole, assertSchema } from '../db/index.ts'
import { createEmbedder, createNextEmbedder, type Embedder } from '../embed/index.ts'
import { createTokens, type Tokens } from '../jwt/index.ts'
import { type Kafka, openKafka } from '../kafka/index.ts'
import { createLimiter, createTurns, keyPrefix, type Limiter, type Turns } from '../limit/index.ts'
import { generationReader } from '../outbox/index.ts'
import type { Redis } from '../redis/index.ts'
import { createLog, createMetrics, type Log, type Metrics, setBreakers } from '../telemetry/index.ts'
import { type Authenticate, createAuthenticate, createKeyUse, type KeyUse } from '../tenant/index.ts'
import { noTracing, type Tracing } from '../trace/index.ts'
import { createReadMeter, type ReadMeter } from '../usage/index.ts'
import type { Engine } from '../vector/index.ts'
import { type Databases, openDatabases } from './databases.ts'
import type { RunningJournal } from './journal.ts'
import { redisOf, withRedis } from './redis.ts'
import { type Tell, teller } from './tell.ts'
import { traceOf } from './tracing.ts'
import { vectorEngineOf } from './vector-engine.ts'

/** Everything a handler's deps are taken from. Connections open on first use. */
export type Runtime = {
  config: Config
  log: Log
  metrics: Metrics
  databases: Databases
  embedder: Embedder
  /** Of the model that is being introduced, where EMBEDDER_NEXT names one. */
  nextEmbedder: Embedder | undefined
  /** The second vector engine, where VECTOR_ENGINE names one; whoever ends the process closes it. */
  vectorEngine: Engine | undefined
  /** Whether what is called outside of this process is there; a dependency is asked through its own. */
  breakers: Breakers
  authenticate: Authenticate
  /** Of the issuer that JWT_ISSUER names. */
  tokens: Tokens | undefined
  /** Writes when keys were used; whoever ends the process waits for it before the databases. */
  keyUse: KeyUse
  /** Counts what reads use; whoever ends the process closes it before the databases. */
  meter: ReadMeter
  /** Counts what was denied to whom; whoever ends the process closes it before the databases. */
  denials: Denials
  signingKey: string
  generation: () => Promise<number>
  /** Asks a job to run soon; a wake-up that gets lost is made good by the job's schedule. */
  wake: (job: string) => void
  /** Resolves when every wake-up so far has been handed over, or was lost. */
  wakesSent: () => Promise<void>
  /** Calls a deployed record function, where there are any. */
  invoke: (functionName: string, payload: unknown) => Promise<unknown>
  /** The broker, where KAFKA_BOOTSTRAP_SERVERS names one; whoever ends the process closes it before the databases. */
  kafka: Kafka | undefined
  /** Where REDIS_URL names one. Nobody waits for it: it may be away at any time. */
  redis: Redis | undefined
  /** Counts requests against the limits of their key and tenant. */
  limiter: Limiter
  /** Shares this process among the tenants that ask it. */
  turns: Turns
  tell: Tell
  /** Spans of what it does; whoever ends the process closes it last. */
  tracing: Tracing
  /** Takes appends while the database is down: where JOURNAL_DIR is set, in the process that stores. */
  journal?: RunningJournal
  /** Where the drain publishes to when it is not by invocation: the broker, or the local adapter's bus. */
  publisher?: Publisher
}
export type Need = 'app' | 'worker' | 'owner'

/** The runtime of a deployed handler: real Postgres, secrets by ARN. @throws ConfigError, or Error when the database refuses */
export async function deployedRuntime(given: Config, need: Need): Promise<Runtime> {
  const changed = new Map<SecretName, Date>()
  const config = withSecrets(given, await fetchSecrets(given.secretArns, secretHosts(given), (name, at) => void changed.set(name, at)))
  const log = createLog(config.LOG_LEVEL)
  const databases = openDatabases(config, log)
  if (need !== 'owner') {
    await assertSchema(databases[need])
    const { loginIsSafe } = await assertSafeRole(databases[need], need === 'app' ? 'soma_app' : 'soma_worker')
    if (!loginIsSafe && config.STAGE !== 'local')
      throw new ConfigError('The login of the database URL is a superuser or has BYPASSRLS: give the handlers one that is only a member of soma_app or soma_worker.')
  }
  if (need === 'app' && !config.SIGNING_KEY) throw new ConfigError('SIGNING_KEY is missing: every instance needs the same one, for cursors and tokens.')
  const tracing = await traceOf(config, log)
  const runtime = assembleRuntime(config, log, databases, { signingKey: config.SIGNING_KEY ?? '', ...functionWaker(config, log), tracing })
  runtime.metrics.beforeScrape(() => {
    for (const [secret, at] of changed) runtime.metrics.secretAge.set({ secret }, (Date.now() - at.getTime()) / 1000)
  })
  return runtime
}

/** Puts a runtime together over open databases. */
export function assembleRuntime(
  config: Config,
  log: Log,
  databases: Databases,
  more: { signingKey: string; wake: Runtime['wake']; wakesSent: Runtime['wakesSent']; publisher?: Publisher; tracing?: Tracing },
): Runtime {
  for (const warning of config.warnings) log.warn(warning)
  const metrics = createMetrics()
  const kafka = brokerOf(config, log, metrics)
  const redis = redisOf(config, log)
  const breakers = breakersOf(config, log)
  const tokens = createTokens(config, breakers)
  const keyUse = createKeyUse(databases.app, (error) => log.warn({ err: error }, 'when a key was used could not be written; its next use tries again'))
  const publisher = kafka ? breakingPublisher(kafka.publisher, breakers.of('broker')) : more.publisher
  metrics.beforeScrape(() => setBreakers(metrics, withRedis(breakers.states(), redis)))
  return {
    config,
    log,
    metrics,
    databases,
    embedder: createEmbedder(config, breakers),
    nextEmbedder: createNextEmbedder(config, breakers),
    vectorEngine: vectorEngineOf(config, breakers),
    breakers,
    authenticate: createAuthenticate(config, databases.app, tokens?.verify, keyUse.saw),
    tokens,
    keyUse,
    meter: createReadMeter(databases.app, (error) => log.warn({ err: error }, 'what reads used could not be written; the next flush tries again')),
    denials: createDenials(databases.app, (error) => log.warn({ err: error }, 'denied requests could not be written; the next flush tries again')),
    signingKey: more.signingKey,
    generation: generationReader(databases.worker),
    wake: more.wake,
    wakesSent: more.wakesSent,
    invoke: callFunction,
    kafka,
    redis,
    limiter: createLimiter({ redis, prefix: keyPrefix(databases.app), onRefused: (limit) => metrics.requestsLimited.inc({ limit }) }),
    turns: createTurns(config.POSTGRES_POOL_SIZE),
    tell: teller(config, metrics),
    tracing: more.tracing ?? noTracing,
    ...(publisher ? { publisher } : {}),
  }
}

function breakersOf({ BREAKER_FAILURES: failures, BREAKER_OPEN_SECONDS: seconds }: Config, log: Log): Breakers {
  return createBreakers({ failures, openMs: seconds * 1000 }, ({ dependency, tenant, state, reason }) => {
    if (state === 'half_open') return
    const told = { dependency, ...(tenant === undefined ? {} : { tenant }) }
    if (state === 'open') log.warn({ ...told, reason }, 'a dependency fails and is not asked for a while')
    else log.info(told, 'a dependency is back')
  })
}

function brokerOf(config: Config, log: Log, metrics: Metrics): Kafka | undefined {
  const connection = kafkaConnection(config)
  if (!connection) return undefined
  return openKafka(connection, config.KAFKA_MEMORY_EVENTS_TOPIC, {
    onLag: ({ group, topic, partition, lag }) => metrics.consumerLag.set({ group, topic, partition }, lag),
    onRetry: (group, error, place) => log.warn({ group, ...place, err: error }, 'records wait for their next try; their partition is paused'),
    onAway: (group, error) => log.warn({ group, reason: error.message }, 'a consumer is away from the broker and comes back by itself'),
    onBuried(consumer, reason, source) {
      metrics.deadLetters.inc({ consumer })
      log.error({ consumer, reason, ...source }, 'a record that can never be applied went to the dead letters')
    },
  })
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

/** A wake-up that is not taken by then is lost: whoever answers a request waits for it. */
export const patienceMs = 2_000

/** Wakes a job now, and where a stage rests has a sweep follow. */
function functionWaker(config: Config, log: Log): Pick<Runtime, 'wake' | 'wakesSent'> {
  const armings = armingsOf(config, log)
  const underway = new Set<Promise<void>>()
  function track(work: Promise<void>): void {
    const sending = work.finally(() => underway.delete(sending))
    underway.add(sending)
  }
  return {
    wake(job) {
      const target = config.functionNames[job]
      if (target === undefined || isUrl(target)) return
      track(invokeAsync(target, {}, patienceMs).catch((error) => log.warn({ err: error, job }, 'the wake-up was lost; the schedule will make it good')))
      if (armings) track(armings.woken(job))
    },
    async wakesSent() {
      await Promise.all(underway)
    },
  }
}

/** Where a stage rests the function `arm-sweeps` is named; elsewhere every job looks by itself each minute. */
export function armingsOf(config: Config, log: Log): Armings | undefined {
  const armer = config.functionNames['arm-sweeps']
  return armer === undefined ? undefined : createArmings({ tell: (arming) => invokeAsync(armer, arming, patienceMs), log })
}
