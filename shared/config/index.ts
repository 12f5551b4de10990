import * as z from 'zod'

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
  POSTGRES_POOL_SIZE: count(1, 500).default(10),
  POSTGRES_SSL_ROOT_CERT: z.string().optional(),
  STATEMENT_TIMEOUT_MS: count(100, 600_000).default(15_000),
  EMBEDDER: z.enum(['hash', 'http']).default('hash'),
  EMBEDDING_URL: url('http', 'https').optional(),
  EMBEDDING_MODEL: z.string().optional(),
  EMBEDDING_DIM: count(1, 4000).default(384),
  EMBEDDING_API_KEY: z.string().optional(),
  AUTH_MODE: z.enum(['open', 'token', 'mixed']).optional(),
  AUTH_OPEN_IN_CONTAINER: z.enum(['0', '1']).default('0'),
  SOMA_API_TOKEN: z.string().min(8).optional(),
  SIGNING_KEY: z.string().min(16).optional(),
  METRICS_TOKEN: z.string().min(8).optional(),
  CORS_ORIGINS: list.default([]),
  LOG_LEVEL: z.enum(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
})

export type Config = z.infer<typeof variables> & {
  AUTH_MODE: 'open' | 'token' | 'mixed'
  /** Secrets to be fetched at init: variable → ARN. */
  secretArns: Partial<Record<SecretName, string>>
  /** Handler name → the deployed function's name. */
  functionNames: Record<string, string>
  warnings: string[]
}
const secretNames = ['POSTGRES_URL', 'POSTGRES_WORKER_URL', 'POSTGRES_MIGRATION_URL', 'SOMA_API_TOKEN', 'SIGNING_KEY', 'METRICS_TOKEN', 'EMBEDDING_API_KEY'] as const
export type SecretName = (typeof secretNames)[number]
/** Agreed names that this version does not act on yet: said aloud, never silently dropped. */
const notYet = ['REDIS_URL', 'KAFKA_BOOTSTRAP_SERVERS', 'VECTOR_ENGINE', 'MILVUS_HOST', 'OPA_URL', 'JWKS_URL', 'JOURNAL_DIR', 'BACKUP_BUCKET', 'OTEL_EXPORTER_OTLP_ENDPOINT']
const loopback = new Set(['127.0.0.1', 'localhost', '::1'])

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** @throws ConfigError that names each wrong variable, what it got (never a secret) and what it takes */
export function parseConfig(environment: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''))
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
  const secretArns = Object.fromEntries(secretNames.flatMap((name) => (given[`${name}_SECRET_ARN`] ? [[name, given[`${name}_SECRET_ARN`]]] : [])))
  const functionNames = Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (name.startsWith('FUNCTION_') && value ? [[name.slice(9).toLowerCase().replaceAll('_', '-'), value]] : [])),
  )
  const warnings = notYet.filter((name) => given[name]).map((name) => `${name} is set, but this version does not use it yet.`)
  return { ...values, AUTH_MODE: mode, secretArns, functionNames, warnings }
}

/** The process's own environment, parsed. */
export function readConfig(): Config {
  return parseConfig(process.env)
}

/** Fills in fetched secrets, with the same checks as if they had been given in the environment. */
export function withSecrets(config: Config, secrets: Partial<Record<SecretName, string>>): Config {
  const parsed = variables.partial().safeParse(secrets)
  if (!parsed.success) throw new ConfigError(`The secret for ${parsed.error.issues.map((issue) => issue.path[0]).join(', ')} has the wrong form.`)
  const filled = Object.fromEntries(Object.keys(secrets).map((name) => [name, parsed.data[name as SecretName]]))
  return { ...config, ...filled }
}
