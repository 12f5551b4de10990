import * as z from 'zod'
import { backupVariables, type Schedules, schedules } from './backup.ts'
import { jwtProblems, jwtVariables, jwtWarnings } from './jwt.ts'
import { kafkaProblems, kafkaVariables, kafkaWarnings } from './kafka.ts'
import { limitVariables } from './limits.ts'
import { milvusProblems, milvusVariables, milvusWarnings } from './milvus.ts'
import { readOlderNames } from './older-names.ts'
import { redisProblems, redisVariables } from './redis.ts'
import { traceVariables } from './tracing.ts'

export { isSafeUrl, type JwtKeys, type JwtSettings, jwtSettings } from './jwt.ts'
export { type KafkaConnection, kafkaConnection } from './kafka.ts'
export { parseRate, type Rate, rateForm, rateTakes } from './limits.ts'
export { type MilvusConnection, milvusConnection } from './milvus.ts'
export { type RedisConnection, redisConnection } from './redis.ts'

/** The only module that reads the environment. A wrong value ends the process with a message that names it. */
const port = z.coerce.number().int().min(0).max(65535)
const count = (low: number, high: number) => z.coerce.number().int().min(low).max(high)
const url = (...schemes: string[]) =>
  z.string().refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)), { error: `takes a URL that begins with ${schemes.join(':// or ')}://` })
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)

const variables = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: port.default(9595),
  STAGE: z.enum(['local', 'dev', 'staging', 'prod']).default('local'),
  SOMA_DATA_DIR: z.string().default('.soma'),
  POSTGRES_URL: url('postgres', 'postgresql').optional(),
  POSTGRES_WORKER_URL: url('postgres', 'postgresql').optional(),
  POSTGRES_MIGRATION_URL: url('postgres', 'postgresql').optional(),
  POSTGRES_ADMIN_URL: url('postgres', 'postgresql').optional(),
  POSTGRES_HOST: z.string().optional(),
  POSTGRES_POOL_SIZE: count(1, 500).default(10),
  POSTGRES_SSL_ROOT_CERT: z.string().optional(),
  STATEMENT_TIMEOUT_MS: count(100, 600_000).default(15_000),
  EMBEDDER: z.enum(['hash', 'http', 'bedrock']).default('hash'),
  EMBEDDING_URL: url('http', 'https').optional(),
  EMBEDDING_MODEL: z.string().optional(),
  EMBEDDING_DIM: count(1, 4000).default(384),
  EMBEDDING_API_KEY: z.string().optional(),
  EMBEDDING_MAX_CHARACTERS: count(100, 1_000_000).optional(),
  EMBEDDING_CONTEXT: z.enum(['previous-turn', 'none']).optional(),
  EMBEDDING_TIMEOUT_MS: count(100, 120_000).default(10_000),
  BEDROCK_ENDPOINT: url('http', 'https').optional(),
  BREAKER_FAILURES: count(3, 1_000).default(5),
  BREAKER_OPEN_SECONDS: count(1, 600).default(10),
  EMBEDDER_NEXT: z.enum(['hash', 'http', 'bedrock']).optional(),
  EMBEDDING_NEXT_URL: url('http', 'https').optional(),
  EMBEDDING_NEXT_MODEL: z.string().optional(),
  EMBEDDING_NEXT_DIM: count(1, 4000).optional(),
  EMBEDDING_NEXT_API_KEY: z.string().optional(),
  EMBEDDING_NEXT_MAX_CHARACTERS: count(100, 1_000_000).optional(),
  EMBEDDING_NEXT_CONTEXT: z.enum(['previous-turn', 'none']).optional(),
  REEMBED_PER_SECOND: count(1, 100_000).default(100),
  AUTH_MODE: z.enum(['open', 'token', 'jwt', 'mixed']).optional(),
  AUTH_OPEN_IN_CONTAINER: z.enum(['0', '1']).default('0'),
  SOMA_API_TOKEN: z.string().min(8).optional(),
  JWT_ISSUER: jwtVariables.JWT_ISSUER,
  JWT_AUDIENCE: jwtVariables.JWT_AUDIENCE,
  JWKS_URL: jwtVariables.JWKS_URL,
  JWT_PUBLIC_KEY_PATH: jwtVariables.JWT_PUBLIC_KEY_PATH,
  JWT_TENANT_CLAIM: jwtVariables.JWT_TENANT_CLAIM,
  JWT_SCOPE_CLAIM: jwtVariables.JWT_SCOPE_CLAIM,
  JWT_ROLE_SCOPES: jwtVariables.JWT_ROLE_SCOPES,
  JWT_CLOCK_SKEW_SECONDS: jwtVariables.JWT_CLOCK_SKEW_SECONDS,
  SIGNING_KEY: z.string().min(16).optional(),
  METRICS_TOKEN: z.string().min(8).optional(),
  METRICS_NAMESPACE: z
    .string()
    .regex(/^[A-Za-z0-9._/#-]{1,255}$/, { error: 'takes up to 255 letters, digits and ._/#-' })
    .optional(),
  BACKUP_BUCKET: backupVariables.BACKUP_BUCKET,
  BACKUP_PREFIX: backupVariables.BACKUP_PREFIX,
  BACKUP_KEY: backupVariables.BACKUP_KEY,
  RESTORE_FROM: backupVariables.RESTORE_FROM,
  RESTORE_AT: backupVariables.RESTORE_AT,
  RESTORE_TENANT: backupVariables.RESTORE_TENANT,
  RESTORE_AS: backupVariables.RESTORE_AS,
  BACKUP_EVERY_HOURS: backupVariables.BACKUP_EVERY_HOURS,
  BACKUP_INCREMENT_EVERY_HOURS: backupVariables.BACKUP_INCREMENT_EVERY_HOURS,
  BACKUP_PACE: backupVariables.BACKUP_PACE,
  BACKUP_LOCK_DAYS: backupVariables.BACKUP_LOCK_DAYS,
  BACKUP_KEEP_DAILY: backupVariables.BACKUP_KEEP_DAILY,
  BACKUP_KEEP_WEEKLY: backupVariables.BACKUP_KEEP_WEEKLY,
  BACKUP_KEEP_MONTHLY: backupVariables.BACKUP_KEEP_MONTHLY,
  DRILL_EVERY_HOURS: backupVariables.DRILL_EVERY_HOURS,
  DRILL_MAX_GB: backupVariables.DRILL_MAX_GB,
  S3_ENDPOINT: url('http', 'https').optional(),
  JOURNAL_DIR: z.string().optional(),
  JOURNAL_MAX_MB: count(1, 1_000_000).default(256),
  JOURNAL_MAX_HOURS: count(1, 8_760).default(24),
  KAFKA_BOOTSTRAP_SERVERS: kafkaVariables.KAFKA_BOOTSTRAP_SERVERS,
  KAFKA_SECURITY_PROTOCOL: kafkaVariables.KAFKA_SECURITY_PROTOCOL,
  KAFKA_SASL_MECHANISM: kafkaVariables.KAFKA_SASL_MECHANISM,
  KAFKA_SASL_USERNAME: kafkaVariables.KAFKA_SASL_USERNAME,
  KAFKA_SASL_PASSWORD: kafkaVariables.KAFKA_SASL_PASSWORD,
  KAFKA_SSL_CA_LOCATION: kafkaVariables.KAFKA_SSL_CA_LOCATION,
  KAFKA_MEMORY_EVENTS_TOPIC: kafkaVariables.KAFKA_MEMORY_EVENTS_TOPIC,
  KAFKA_MAKE_TOPICS: kafkaVariables.KAFKA_MAKE_TOPICS,
  AWS_REGION: z.string().optional(),
  VECTOR_ENGINE: milvusVariables.VECTOR_ENGINE,
  MILVUS_HOST: milvusVariables.MILVUS_HOST,
  MILVUS_PORT: milvusVariables.MILVUS_PORT,
  MILVUS_TOKEN: milvusVariables.MILVUS_TOKEN,
  MILVUS_TLS: milvusVariables.MILVUS_TLS,
  MILVUS_SSL_CA_LOCATION: milvusVariables.MILVUS_SSL_CA_LOCATION,
  MILVUS_FROM_MEMORIES: milvusVariables.MILVUS_FROM_MEMORIES,
  REDIS_URL: redisVariables.REDIS_URL,
  REDIS_HOST: z.string().optional(),
  REDIS_SSL_CA_LOCATION: redisVariables.REDIS_SSL_CA_LOCATION,
  RATE_LIMIT_TENANT: limitVariables.RATE_LIMIT_TENANT,
  RATE_LIMIT_KEY: limitVariables.RATE_LIMIT_KEY,
  MAX_BATCH_SIZE: limitVariables.MAX_BATCH_SIZE,
  MAX_BATCH_RATE: limitVariables.MAX_BATCH_RATE,
  QUOTA_DAILY_WRITES: limitVariables.QUOTA_DAILY_WRITES,
  QUOTA_MEMORIES: limitVariables.QUOTA_MEMORIES,
  QUOTA_BYTES: limitVariables.QUOTA_BYTES,
  OTEL_EXPORTER_OTLP_ENDPOINT: url('http', 'https').optional(),
  OTEL_EXPORTER_OTLP_HEADERS: traceVariables.OTEL_EXPORTER_OTLP_HEADERS,
  SWEEP_GROUP: z.string().optional(),
  SWEEP_ROLE_ARN: z.string().optional(),
  OTEL_SERVICE_NAME: traceVariables.OTEL_SERVICE_NAME,
  OTEL_TRACES_SAMPLER_ARG: traceVariables.OTEL_TRACES_SAMPLER_ARG,
  CORS_ORIGINS: list.default([]),
  LOG_LEVEL: z.enum(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
})

export type Config = z.infer<typeof variables> &
  Schedules & {
    AUTH_MODE: 'open' | 'token' | 'jwt' | 'mixed'
    /** Secrets to be fetched at init: variable → ARN. */
    secretArns: Partial<Record<SecretName, string>>
    /** Handler name → the deployed function's name. */
    functionNames: Record<string, string>
    warnings: string[]
  }
const secretNames = [
  'POSTGRES_URL',
  'POSTGRES_WORKER_URL',
  'POSTGRES_MIGRATION_URL',
  'POSTGRES_ADMIN_URL',
  'SOMA_API_TOKEN',
  'SIGNING_KEY',
  'METRICS_TOKEN',
  'EMBEDDING_API_KEY',
  'EMBEDDING_NEXT_API_KEY',
  'BACKUP_KEY',
  'KAFKA_SASL_PASSWORD',
  'REDIS_URL',
  'MILVUS_TOKEN',
  'OTEL_EXPORTER_OTLP_HEADERS',
] as const
export type SecretName = (typeof secretNames)[number]
/** Agreed names that this version does not act on yet: said aloud, never silently dropped. */
const notYet = ['OPA_URL']
const loopback = new Set(['127.0.0.1', 'localhost', '::1'])

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** @throws ConfigError that names each wrong variable, what it got (never a secret) and what it takes */
export function parseConfig(environment: Record<string, string | undefined>): Config {
  const older = readOlderNames(Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== '')))
  if (older.problems.length) throw new ConfigError(`The configuration is wrong.\n${older.problems.join('\n')}`)
  const given = older.environment
  const parsed = variables.safeParse(given)
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0])
      const shown = (secretNames as readonly string[]).includes(name) ? 'a value' : `"${given[name]}"`
      return `${name} got ${shown}: ${issue.message}`
    })
    throw new ConfigError(`The configuration is wrong.\n${lines.join('\n')}`)
  }
  const values = parsed.data
  const onLoopback = loopback.has(values.HOST)
  const mode = values.AUTH_MODE ?? (values.STAGE === 'local' && onLoopback ? 'open' : 'mixed')
  if (mode === 'open' && !(values.STAGE === 'local' && onLoopback) && values.AUTH_OPEN_IN_CONTAINER !== '1') {
    throw new ConfigError(
      'AUTH_MODE got "open": it is allowed where STAGE is local and HOST is a loopback address. Use "mixed", or AUTH_OPEN_IN_CONTAINER=1 behind a published 127.0.0.1 port.',
    )
  }
  if (mode === 'token' && !values.SOMA_API_TOKEN && !given.SOMA_API_TOKEN_SECRET_ARN) throw new ConfigError('AUTH_MODE got "token": it needs SOMA_API_TOKEN.')
  if (values.EMBEDDER === 'http' && !(values.EMBEDDING_URL && values.EMBEDDING_MODEL)) throw new ConfigError('EMBEDDER got "http": it needs EMBEDDING_URL and EMBEDDING_MODEL.')
  if (values.EMBEDDER === 'bedrock' && !(values.EMBEDDING_MODEL && values.AWS_REGION)) throw new ConfigError('EMBEDDER got "bedrock": it needs EMBEDDING_MODEL and AWS_REGION.')
  for (const [embedder, context] of [
    ['EMBEDDER', 'EMBEDDING_CONTEXT'],
    ['EMBEDDER_NEXT', 'EMBEDDING_NEXT_CONTEXT'],
  ] as const)
    if (values[embedder] === 'hash' && values[context] === 'previous-turn')
      throw new ConfigError(`${context} got "previous-turn": the hash embedder embeds a memory alone; take none, or another ${embedder}.`)
  if (values.EMBEDDER_NEXT && !values.EMBEDDING_NEXT_DIM) throw new ConfigError(`EMBEDDER_NEXT got "${values.EMBEDDER_NEXT}": it needs EMBEDDING_NEXT_DIM.`)
  if (values.EMBEDDER_NEXT === 'http' && !(values.EMBEDDING_NEXT_URL && values.EMBEDDING_NEXT_MODEL))
    throw new ConfigError('EMBEDDER_NEXT got "http": it needs EMBEDDING_NEXT_URL and EMBEDDING_NEXT_MODEL.')
  if (values.EMBEDDER_NEXT === 'bedrock' && !(values.EMBEDDING_NEXT_MODEL && values.AWS_REGION))
    throw new ConfigError('EMBEDDER_NEXT got "bedrock": it needs EMBEDDING_NEXT_MODEL and AWS_REGION.')
  const problems = [...kafkaProblems(values, given), ...redisProblems(values), ...milvusProblems(values), ...jwtProblems(values, mode)]
  if (problems.length) throw new ConfigError(`The configuration is wrong.\n${problems.join('\n')}`)
  const secretArns = Object.fromEntries(secretNames.flatMap((name) => (given[`${name}_SECRET_ARN`] ? [[name, given[`${name}_SECRET_ARN`]]] : [])))
  const functionNames = Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (name.startsWith('FUNCTION_') && value ? [[name.slice(9).toLowerCase().replaceAll('_', '-'), value]] : [])),
  )
  const warnings = [
    ...older.warnings,
    ...kafkaWarnings(values, given),
    ...milvusWarnings(values, given),
    ...jwtWarnings(values, mode, given),
    ...(values.JOURNAL_DIR && !values.BACKUP_BUCKET && values.STAGE !== 'local'
      ? ['JOURNAL_DIR is set without BACKUP_BUCKET: what is finished goes to backups in SOMA_DATA_DIR, which must be a durable disk too.']
      : []),
    ...notYet.filter((name) => given[name]).map((name) => `${name} is set, but this version does not use it yet.`),
  ]
  return { ...values, ...schedules(values), AUTH_MODE: mode, secretArns, functionNames, warnings }
}

/** The process's own environment, parsed. */
export function readConfig(): Config {
  return parseConfig(process.env)
}

/** The hosts to reach by the logins that secrets hold, where they are not the logins' own: a proxy before Postgres, a Redis whose secret was made before it. */
export function secretHosts({ POSTGRES_HOST, REDIS_HOST }: Config): Partial<Record<SecretName, string>> {
  return { ...(POSTGRES_HOST ? { POSTGRES_URL: POSTGRES_HOST, POSTGRES_WORKER_URL: POSTGRES_HOST } : {}), ...(REDIS_HOST ? { REDIS_URL: REDIS_HOST } : {}) }
}

/** Fills in fetched secrets, with the same checks as if they had been given in the environment. */
export function withSecrets(config: Config, secrets: Partial<Record<SecretName, string>>): Config {
  const parsed = variables.partial().safeParse(secrets)
  if (!parsed.success) throw new ConfigError(`The secret for ${parsed.error.issues.map((issue) => issue.path[0]).join(', ')} has the wrong form.`)
  const filled = Object.fromEntries(Object.keys(secrets).map((name) => [name, parsed.data[name as SecretName]]))
  return { ...config, ...filled }
}
