import { topics } from '../../functions/topics.ts'
import { type Config, jwtSettings, kafkaConnection, milvusConnection, redisConnection } from '../../shared/config/index.ts'
import { assertSafeRole, currentSchemaVersion, type Sql, schemaVersion } from '../../shared/db/index.ts'
import { type Databases, openDatabases } from '../../shared/host/index.ts'
import { brokerTopic, createClient, ensureTopics } from '../../shared/kafka/index.ts'
import { recoveryState } from '../../shared/recovery/index.ts'
import { bucketChecks } from './bucket-check.ts'
import { quietLog } from './globals.ts'
import { issuerChecks } from './issuer-check.ts'

/** An item of the guides' production checklist. `by hand`: nothing here can see it, and the detail says what to look at. */
export type Point = { point: number; name: string; state: 'pass' | 'fail' | 'by hand'; detail: string }
type Found = { good: string[]; bad: string[]; byHand?: string }

/** The ten points of SomaFractalMemory's "Production preflight checklist", each with evidence from this configuration and the servers that it names. It changes nothing. */
export async function productionPoints(config: Config): Promise<Point[]> {
  const databases = config.POSTGRES_URL ? openDatabases(config, quietLog(config)) : undefined
  const points: [string, () => Found | Promise<Found>][] = [
    ['secrets', () => secrets(config)],
    ['TLS', () => encryption(config, databases)],
    ['persistence', () => persistence(config, databases)],
    ['migrations', () => migrations(databases)],
    ['broker', () => broker(config)],
    ['observability', () => observability(config)],
    ['access', () => access(config, databases)],
    ['backups', () => backups(databases)],
    ['rotation', () => rotation(config)],
    ['drill', () => drills(databases)],
  ]
  try {
    const done: Point[] = []
    for (const [i, [name, look]] of points.entries()) {
      const { good, bad, byHand } = await Promise.resolve(look()).catch((error): Found => ({ good: [], bad: [error instanceof Error ? error.message : String(error)] }))
      const state = bad.length ? 'fail' : byHand ? 'by hand' : 'pass'
      done.push({ point: i + 1, name, state, detail: (bad.length ? bad : [...good, byHand ?? '']).map(sentence).filter(Boolean).join(' ') })
    }
    return done
  } finally {
    for (const database of new Set(Object.values(databases ?? {}))) await database.close()
  }
}

const sentence = (text: string) => (text === '' || /[.!?]$/.test(text) ? text : `${text}.`)
const noDatabase: Found = { good: [], bad: ['POSTGRES_URL is missing: production takes a real Postgres, the embedded engine is for one machine.'] }

function secrets({ STAGE, secretArns, ...config }: Config): Found {
  const wanted = ['POSTGRES_URL', 'POSTGRES_WORKER_URL', 'POSTGRES_MIGRATION_URL', 'SIGNING_KEY', 'METRICS_TOKEN', 'BACKUP_KEY'] as const
  const missing = wanted.filter((name) => config[name] === undefined)
  const told = wanted.filter((name) => config[name] !== undefined).map((name) => (secretArns[name] ? `${name} (by ARN)` : name))
  const bad = [
    ...(STAGE === 'local' ? ['STAGE is "local": it takes dev, staging or prod'] : []),
    ...(missing.length ? [`${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} missing`] : []),
  ]
  return { good: [`There are ${told.join(', ')}`], bad }
}

async function encryption(config: Config, databases: Databases | undefined): Promise<Found> {
  const found: Found = { good: [], bad: [] }
  for (const [name, database] of Object.entries(databases ?? {})) {
    const [row] = await database.maintenance((sql: Sql) => sql.query<{ ssl: boolean; version: string | null }>('select ssl, version from pg_stat_ssl where pid = pg_backend_pid()'))
    if (row?.ssl) found.good.push(`The database is reached by ${row.version} as ${name}`)
    else found.bad.push(`The connection to the database as ${name} is not encrypted: set sslmode=require in its URL`)
  }
  const others: [string, string, boolean | undefined][] = [
    ['the broker', 'KAFKA_SECURITY_PROTOCOL=SASL_SSL', kafkaConnection(config) && /SSL/.test(config.KAFKA_SECURITY_PROTOCOL ?? '')],
    ['Redis', 'a rediss:// URL', redisConnection(config) && /^rediss:/.test(config.REDIS_URL ?? '')],
    ['Milvus', 'MILVUS_TLS=1', milvusConnection(config) && config.MILVUS_TLS === '1'],
    ['the bucket', 'an https:// S3_ENDPOINT', config.BACKUP_BUCKET === undefined ? undefined : config.S3_ENDPOINT === undefined || /^https:/.test(config.S3_ENDPOINT)],
    ['the issuer of tokens', 'an https:// JWT_ISSUER or JWKS_URL', issuerIsSafe(config)],
    ['the embedder', 'an https:// EMBEDDING_URL', config.EMBEDDING_URL === undefined ? undefined : /^https:/.test(config.EMBEDDING_URL)],
  ]
  for (const [what, remedy, safe] of others) {
    if (safe) found.good.push(`${what} too`)
    if (safe === false) found.bad.push(`What goes to ${what} is not encrypted: it takes ${remedy}`)
  }
  return databases ? { ...found, byHand: 'Whether callers come by TLS is decided by the load balancer before this' } : { ...found, bad: [...found.bad, ...noDatabase.bad] }
}

/** A configuration takes no other than HTTPS, but on this machine. */
function issuerIsSafe(config: Config): boolean | undefined {
  const { keys, issuer = '' } = jwtSettings(config) ?? {}
  return keys === undefined || keys.from === 'pem' ? undefined : /^https:/.test(keys.from === 'url' ? keys.url : issuer)
}

async function persistence(config: Config, databases: Databases | undefined): Promise<Found> {
  if (!databases) return noDatabase
  const [row] = await databases.worker.maintenance((sql) =>
    sql.query<Record<'fsync' | 'pages' | 'commit' | 'version' | 'size', string>>(
      `select current_setting('fsync') as fsync, current_setting('full_page_writes') as pages, current_setting('synchronous_commit') as commit, split_part(version(), ' on ', 1) as version,
         pg_size_pretty(pg_database_size(current_database())) as size`,
    ),
  )
  const off = Object.entries({ fsync: row?.fsync, full_page_writes: row?.pages, synchronous_commit: row?.commit }).filter(([, value]) => value === 'off')
  const bucket =
    config.BACKUP_BUCKET === undefined
      ? [{ ok: false, detail: 'BACKUP_BUCKET is missing: backups would lie on the disk of the process that writes them.' }]
      : await bucketChecks(config)
  return {
    good: [`${row?.version} with ${row?.size}, fsync ${row?.fsync}, synchronous_commit ${row?.commit}`, ...bucket.map(({ detail }) => detail)],
    bad: [...off.map(([name]) => `${name} is off: what was answered may be lost with the power`), ...bucket.filter(({ ok }) => !ok).map(({ detail }) => detail)],
  }
}

async function migrations(databases: Databases | undefined): Promise<Found> {
  if (!databases) return noDatabase
  const version = await currentSchemaVersion(databases.worker)
  const bad = version === schemaVersion ? [] : [`The database has schema ${version}, this code has ${schemaVersion}: run \`npx soma migrate\` before traffic`]
  return { good: [`The schema has version ${version}, that of this code; the version before this one runs on it as well`], bad }
}

async function broker(config: Config): Promise<Found> {
  const connection = kafkaConnection(config)
  if (!connection) return { good: ['There is no broker: the drain hands events to their consumers itself, and dead ones stay in the outbox'], bad: [] }
  const wanted = topics.map((topic) => ({ ...topic, name: brokerTopic(topic.name, config.KAFKA_MEMORY_EVENTS_TOPIC) }))
  const reports = await ensureTopics(createClient(connection), wanted, { dryRun: true })
  const bad = reports.flatMap(({ topic, action, replication, differences }) => [
    ...(action === 'created' ? [`There is no topic ${topic}: run \`npx soma topics ensure\``] : []),
    ...(action !== 'created' && replication < 3 ? [`${topic} is replicated ${replication} times: with fewer than three, one broker that is lost stops it or loses records`] : []),
    ...differences.map(({ setting, is, wants }) => `${setting} of ${topic} is ${is || 'not set'} and should be ${wants}`),
  ])
  return {
    good: [`${reports.map(({ topic, partitions, replication }) => `${topic}: ${partitions} partitions, ${replication} replicas`).join('; ')}; the producer is idempotent`],
    bad,
  }
}

function observability({ METRICS_TOKEN, LOG_LEVEL }: Config): Found {
  const bad = [
    ...(METRICS_TOKEN ? [] : ['METRICS_TOKEN is missing: /metrics answers anybody']),
    ...(['silent', 'fatal', 'error'].includes(LOG_LEVEL) ? [`LOG_LEVEL is ${LOG_LEVEL}: warnings, such as of a dependency that is away, are not logged`] : []),
  ]
  return {
    good: [`Logs are JSON lines from ${LOG_LEVEL} on; /metrics asks for its token`],
    bad,
    byHand: 'Whether Prometheus scrapes every task and has docs/alerts.yaml, its own page of targets and rules tells',
  }
}

async function access(config: Config, databases: Databases | undefined): Promise<Found> {
  if (!databases) return noDatabase
  const { AUTH_MODE, CORS_ORIGINS } = config
  const issuer = await issuerChecks(config)
  const bad = [
    ...(AUTH_MODE === 'open' ? ['AUTH_MODE is open: nobody needs a credential'] : []),
    ...issuer.filter(({ ok }) => !ok).map(({ detail }) => detail),
    ...(CORS_ORIGINS.includes('*') ? ['CORS_ORIGINS is *: every page may ask with its visitor’s credential'] : []),
  ]
  for (const [database, role] of [
    [databases.app, 'soma_app'],
    [databases.worker, 'soma_worker'],
  ] as const) {
    const safe = await assertSafeRole(database, role)
    if (!safe.loginIsSafe) bad.push(`The login that acts as ${role} could pass by row-level security: give it one that is only a member of that role`)
  }
  return {
    good: [`AUTH_MODE is ${AUTH_MODE}; the logins of requests and workers are bound by row-level security`, ...issuer.map(({ detail }) => detail)],
    bad,
    byHand: 'Ingress, network policies and who may deploy are the platform’s',
  }
}

async function backups(databases: Databases | undefined): Promise<Found> {
  if (!databases) return noDatabase
  const [backup] = await recoveryState(databases.worker)
  const { age = null, every = null, looked = null, ok = null } = backup ?? {}
  if (looked === null || every === null) return { good: [], bad: ['The job keep-backups has never run: deploy it, with BACKUP_BUCKET'] }
  const bad = [
    ...(every === 0 ? ['No backup is ever due: BACKUP_EVERY_HOURS is 0'] : []),
    ...(looked > 7_200 ? [`The job keep-backups ran ${hours(looked)} ago for the last time`] : []),
    ...(ok === false ? ['The last backup failed: `npx soma backups` says why'] : []),
    ...(ok === null ? ['There is no backup yet'] : []),
    ...(every > 0 && age !== null && age > 1.5 * every ? [`The newest good backup is ${hours(age)} old, and one is due every ${hours(every)}`] : []),
  ]
  return { good: [`The newest good backup is ${hours(age ?? 0)} old, one is due every ${hours(every)}; the job was there ${hours(looked)} ago`], bad }
}

function rotation({ secretArns }: Config): Found {
  const byArn = Object.keys(secretArns)
  const told = byArn.length ? `${byArn.join(', ')} come by ARN` : 'Secrets are given in the environment'
  return {
    good: [told],
    bad: [],
    byHand: 'A process reads them when it starts: after a rotation restart the services, or have a controller do so. Functions read them with each new sandbox',
  }
}

async function drills(databases: Databases | undefined): Promise<Found> {
  if (!databases) return noDatabase
  const drill = (await recoveryState(databases.worker))[1]
  if (drill?.ok == null) return { good: [], bad: ['No backup was ever restored here: run `npx soma drill`, or let the job drill run'] }
  if (!drill.ok) return { good: [], bad: ['The last drill found a fault: `npx soma drills` says which'] }
  const most = drill.every ? 2 * drill.every : 30 * 86_400
  const bad = drill.age !== null && drill.age > most ? [`The newest backup that is proved is ${hours(drill.age)} old`] : []
  return {
    good: [
      `The last drill was good: ${drill.rpo ?? 'unknown'} s would have been lost, and ${drill.rto ?? 'unknown'} s it took to be back; what it proved is ${hours(drill.age ?? 0)} old`,
    ],
    bad,
  }
}

const hours = (seconds: number) => (seconds < 7_200 ? `${Math.round(seconds / 60)} minutes` : `${Math.round(seconds / 3_600)} hours`)
