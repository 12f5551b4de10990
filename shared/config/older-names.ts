import { readFileSync } from 'node:fs'

type Environment = Record<string, string | undefined>
type Reading = { environment: Environment; warnings: string[]; problems: string[] }

/** Names of the Soma guides that mean what a name of today means; with `values`, what their values are called now. */
const renamed: Record<string, { name: string; values?: Record<string, string>; form?: (value: string) => string }> = {
  SOMABRAIN_HOST: { name: 'HOST' },
  SOMABRAIN_PORT: { name: 'PORT' },
  SOMABRAIN_MODE: { name: 'STAGE', values: { 'full-local': 'local', dev: 'dev', staging: 'staging', prod: 'prod' } },
  SA01_DEPLOYMENT_MODE: { name: 'STAGE', values: { DEV: 'local', PROD: 'prod' } },
  SOMABRAIN_DISABLE_AUTH: { name: 'AUTH_MODE', values: { 0: 'mixed', 1: 'open' } },
  SOMABRAIN_POSTGRES_DSN: { name: 'POSTGRES_URL', form: withoutDriver },
  SA01_DB_DSN: { name: 'POSTGRES_URL', form: withoutDriver },
  SQLALCHEMY_POOL_SIZE: { name: 'POSTGRES_POOL_SIZE' },
  SOMA_MEMORY_API_TOKEN: { name: 'SOMA_API_TOKEN' },
  SOMABRAIN_MEMORY_HTTP_TOKEN: { name: 'SOMA_API_TOKEN' },
  SOMABRAIN_REDIS_URL: { name: 'REDIS_URL' },
  SA01_REDIS_URL: { name: 'REDIS_URL' },
  SOMABRAIN_KAFKA_URL: { name: 'KAFKA_BOOTSTRAP_SERVERS', form: (value) => value.replace(/^kafka:\/\//, '') },
  SOMABRAIN_OPA_URL: { name: 'OPA_URL' },
  SOMABRAIN_JWT_ISSUER: { name: 'JWT_ISSUER' },
  SOMABRAIN_JWT_AUDIENCE: { name: 'JWT_AUDIENCE' },
  SOMABRAIN_JWT_PUBLIC_KEY_PATH: { name: 'JWT_PUBLIC_KEY_PATH' },
}
/** Switches that could only be off by mistake: on, they say what is always so. */
const alwaysOn: Record<string, string> = {
  EVENTING_ENABLED: 'every change has its event, in the same transaction',
  SOMABRAIN_STRICT_REAL: 'nothing here is a stub',
  SOMABRAIN_REQUIRE_MEMORY: 'the memory is this process itself',
  SOMABRAIN_ENABLE_BEST: 'there is one set of code',
  SOMABRAIN_FORCE_FULL_STACK: 'with POSTGRES_URL it is so',
  SOMABRAIN_REQUIRE_EXTERNAL_BACKENDS: 'with POSTGRES_URL it is so',
}
const needPostgres = ['SOMABRAIN_FORCE_FULL_STACK', 'SOMABRAIN_REQUIRE_EXTERNAL_BACKENDS']
/** What would have no effect, and whoever set it relies on: refused with what replaced it. */
const dead: [RegExp, string][] = [
  [/^UVICORN_WORKERS$/, 'a process has one event loop: run more processes or tasks instead (desiredTaskCount of the stage), each with POSTGRES_POOL_SIZE connections'],
  [/^QDRANT_/, 'vectors are in Postgres, under the same backup as the rest: remove it'],
  [/^SOMABRAIN_MEMORY_HTTP_ENDPOINT$/, 'the memory is this process itself: remove it. A client finds a server by SOMA_URL or --url'],
  [/^SOMABRAIN_HOST_PORT$/, 'it was the port that Docker published: PORT is where this listens'],
  [/^POSTGRES_SSL_(?!ROOT_CERT(?:_|$))/, 'write sslmode=verify-full and the like into POSTGRES_URL; the CA goes into POSTGRES_SSL_ROOT_CERT'],
]
/** Whole products whose other names have no meaning here. */
const foreign = /^(?:SOMABRAIN|SA01|SOMASTACK|SOMAMEMORY|SOMA_SAAS)_/
const parts = ['SA01_DB_HOST', 'SA01_DB_PORT', 'SA01_DB_NAME', 'SA01_DB_USER', 'SA01_DB_PASSWORD']

/** The environment with older names read as today's, one warning for each; `problems` are sentences without any value, as some are secrets. */
export function readOlderNames(given: Environment): Reading {
  const reading: Reading = { environment: { ...given }, warnings: [], problems: [] }
  for (const [old, value] of Object.entries(given)) if (value !== undefined) readOne(reading, old, value)
  if (parts.some((part) => given[part] !== undefined)) readDatabaseParts(reading, given)
  for (const old of needPostgres) {
    const { POSTGRES_URL: url, POSTGRES_URL_SECRET_ARN: arn } = reading.environment
    if (isOn(given[old]) && !url && !arn) reading.problems.push(`${old} is set and asks for a real database: it needs POSTGRES_URL.`)
  }
  return reading
}

function readOne(reading: Reading, old: string, value: string): void {
  const alias = Object.hasOwn(renamed, old) ? renamed[old] : undefined
  const [, replacement] = dead.find(([pattern]) => pattern.test(old)) ?? []
  if (alias) {
    const { name, values, form } = alias
    const now = values ? (Object.hasOwn(values, value) ? values[value] : undefined) : (form?.(value) ?? value)
    if (now === undefined) reading.problems.push(`${old} takes ${Object.keys(values ?? {}).join(', ')}; its name is ${name} now.`)
    else setAs(reading, old, name, now)
  } else if (old === 'SOMA_API_TOKEN_FILE') {
    readToken(reading, value)
  } else if (replacement !== undefined) {
    reading.problems.push(`${old} is set, but ${replacement}.`)
  } else if (Object.hasOwn(alwaysOn, old)) {
    if (isOn(value)) reading.warnings.push(`${old} is set and has no effect: ${alwaysOn[old]}.`)
    else reading.problems.push(`${old} cannot be turned off: ${alwaysOn[old]}. Remove it.`)
  } else if (foreign.test(old) && !parts.includes(old)) {
    reading.warnings.push(`${old} is set, but nothing here reads it.`)
  }
}

function setAs(reading: Reading, old: string, name: string, value: string): void {
  const known = reading.environment[name]
  if (known !== undefined && known !== value) reading.problems.push(`${old} is an older name of ${name}, and both are set to different values: keep ${name}.`)
  else reading.warnings.push(`${old} is an older name: set ${name}.`)
  reading.environment[name] = known ?? value
}

function readToken(reading: Reading, path: string): void {
  try {
    const token = readFileSync(path, 'utf8').trim()
    if (token === '') reading.problems.push('SOMA_API_TOKEN_FILE names an empty file.')
    else setAs(reading, 'SOMA_API_TOKEN_FILE', 'SOMA_API_TOKEN', token)
  } catch (error) {
    reading.problems.push(`SOMA_API_TOKEN_FILE names a file that cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

/** SA01_DB_HOST and the like: a URL of their own where there is none, otherwise no other place than the URL's. */
function readDatabaseParts(reading: Reading, given: Environment): void {
  const url = reading.environment.POSTGRES_URL
  if (url === undefined) {
    const [host = 'postgres', port = '5432', name = 'somaagent01', user = 'soma', password = ''] = parts.map((part) => given[part])
    const secret = password ? `:${encodeURIComponent(password)}` : ''
    reading.environment.POSTGRES_URL = `postgresql://${encodeURIComponent(user)}${secret}@${host}:${port}/${encodeURIComponent(name)}`
    reading.warnings.push(`${parts.filter((part) => given[part] !== undefined).join(', ')}: older names, read as one: set POSTGRES_URL.`)
    return
  }
  const { hostname, port, pathname, username, password } = URL.parse(url) ?? { hostname: '', port: '', pathname: '', username: '', password: '' }
  const ofUrl = [hostname, port || '5432', pathname.slice(1), username, password].map(decoded)
  for (const [i, part] of parts.entries()) {
    if (given[part] === undefined) continue
    if (given[part] === ofUrl[i]) reading.warnings.push(`${part} is an older name: POSTGRES_URL says it already.`)
    else reading.problems.push(`${part} says something else than POSTGRES_URL: keep POSTGRES_URL.`)
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a percent sign that stands for itself
  }
}

const isOn = (value: string | undefined) => value !== undefined && /^(?:1|true|yes|on)$/i.test(value)

/** SQLAlchemy names its driver in the scheme. */
function withoutDriver(value: string): string {
  return value.replace(/^(postgres(?:ql)?)\+\w+:/, '$1:')
}
