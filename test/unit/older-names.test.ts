import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigError, parseConfig } from '../../shared/config/index.ts'

const url = 'postgresql://soma:pass@db:5432/soma'

/** What ConfigError says of an environment; undefined when it is taken. */
function refusal(environment: Record<string, string>): string | undefined {
  try {
    parseConfig(environment)
    return undefined
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}

test.each([
  ['SOMABRAIN_HOST', 'localhost', 'HOST', 'localhost'],
  ['SOMABRAIN_PORT', '9696', 'PORT', 9696],
  ['SOMABRAIN_MODE', 'full-local', 'STAGE', 'local'],
  ['SOMABRAIN_MODE', 'prod', 'STAGE', 'prod'],
  ['SA01_DEPLOYMENT_MODE', 'DEV', 'STAGE', 'local'],
  ['SA01_DEPLOYMENT_MODE', 'PROD', 'STAGE', 'prod'],
  ['SOMABRAIN_DISABLE_AUTH', '1', 'AUTH_MODE', 'open'],
  ['SOMABRAIN_DISABLE_AUTH', '0', 'AUTH_MODE', 'mixed'],
  ['SOMABRAIN_POSTGRES_DSN', url, 'POSTGRES_URL', url],
  ['SA01_DB_DSN', url, 'POSTGRES_URL', url],
  ['SA01_DB_DSN', url.replace('postgresql:', 'postgresql+psycopg2:'), 'POSTGRES_URL', url],
  ['SQLALCHEMY_POOL_SIZE', '7', 'POSTGRES_POOL_SIZE', 7],
  ['SOMA_MEMORY_API_TOKEN', 'a token of the guides', 'SOMA_API_TOKEN', 'a token of the guides'],
  ['SOMABRAIN_MEMORY_HTTP_TOKEN', 'a token of the guides', 'SOMA_API_TOKEN', 'a token of the guides'],
] as const)('%s=%s is read as %s', (old, value, name, meaning) => {
  const config = parseConfig({ [old]: value })
  expect(config[name]).toBe(meaning)
  expect(config.warnings.filter((warning) => warning.startsWith(`${old} `))).toEqual([`${old} is an older name: set ${name}.`])
})

test('the broker’s older name is read, without its scheme', () => {
  const { KAFKA_BOOTSTRAP_SERVERS, warnings } = parseConfig({ SOMABRAIN_KAFKA_URL: 'kafka://kafka:9092' })
  expect({ KAFKA_BOOTSTRAP_SERVERS, warnings }).toEqual({
    KAFKA_BOOTSTRAP_SERVERS: ['kafka:9092'],
    warnings: ['SOMABRAIN_KAFKA_URL is an older name: set KAFKA_BOOTSTRAP_SERVERS.'],
  })
})

test.each(['SOMABRAIN_REDIS_URL', 'SA01_REDIS_URL'])('%s is read as REDIS_URL', (old) => {
  const { REDIS_URL, warnings } = parseConfig({ [old]: 'redis://sb_redis:6379/0' })
  expect({ REDIS_URL, warnings }).toEqual({ REDIS_URL: 'redis://sb_redis:6379/0', warnings: [`${old} is an older name: set REDIS_URL.`] })
})

test('the older name of what is not here yet is named with the new name, and then as not used yet', () => {
  const { warnings } = parseConfig({ SOMABRAIN_OPA_URL: 'http://sb_opa:8181' })
  expect(warnings).toEqual(['SOMABRAIN_OPA_URL is an older name: set OPA_URL.', 'OPA_URL is set, but this version does not use it yet.'])
})

test('the older names of tokens are read as today’s', () => {
  const names: Record<string, [string, string]> = {
    SOMABRAIN_JWT_ISSUER: ['production-issuer', 'JWT_ISSUER'],
    SOMABRAIN_JWT_AUDIENCE: ['somabrain-api', 'JWT_AUDIENCE'],
    SOMABRAIN_JWT_PUBLIC_KEY_PATH: ['/secrets/jwt_pub.pem', 'JWT_PUBLIC_KEY_PATH'],
  }
  const config = parseConfig(Object.fromEntries(Object.entries(names).map(([old, [value]]) => [old, value])))
  expect(config.warnings).toEqual(Object.entries(names).map(([old, [, name]]) => `${old} is an older name: set ${name}.`))
  expect(config).toMatchObject({ JWT_ISSUER: 'production-issuer', JWT_AUDIENCE: ['somabrain-api'], JWT_PUBLIC_KEY_PATH: '/secrets/jwt_pub.pem' })
})

test('an older and a new name with the same value are one; with different values they are refused, and no value is shown', () => {
  expect(parseConfig({ SOMABRAIN_PORT: '9696', PORT: '9696' }).PORT).toBe(9696)
  expect(parseConfig({ SOMABRAIN_POSTGRES_DSN: url, SA01_DB_DSN: url }).POSTGRES_URL).toBe(url)
  for (const environment of [
    { SOMABRAIN_PORT: '9696', PORT: '9595' },
    { SOMABRAIN_POSTGRES_DSN: 'postgres://a:hunter2@x/y', POSTGRES_URL: 'postgres://a:hunter3@x/y' },
    { SOMABRAIN_POSTGRES_DSN: 'postgres://a:hunter2@x/y', SA01_DB_DSN: 'postgres://a:hunter3@x/y' },
    { SOMA_MEMORY_API_TOKEN: 'hunter2-and-more', SOMA_API_TOKEN: 'hunter3-and-more' },
  ] as Record<string, string>[]) {
    const message = refusal(environment)
    expect(message).toMatch(/is an older name of [A-Z_]+, and both are set to different values: keep [A-Z_]+\./)
    expect(message).not.toMatch(/hunter|9696/)
  }
})

test('the parts of a database URL make one, or must agree with the one that is there', () => {
  const parts = { SA01_DB_HOST: 'db', SA01_DB_USER: 'soma', SA01_DB_PASSWORD: 'p@ss/word' }
  const made = parseConfig(parts)
  expect(made.POSTGRES_URL).toBe('postgresql://soma:p%40ss%2Fword@db:5432/somaagent01')
  expect(made.warnings).toEqual(['SA01_DB_HOST, SA01_DB_USER, SA01_DB_PASSWORD: older names, read as one: set POSTGRES_URL.'])
  const dsn = 'postgresql://soma:p%40ss%2Fword@db/agent'
  expect(parseConfig({ ...parts, SA01_DB_PORT: '5432', SA01_DB_NAME: 'agent', SA01_DB_DSN: dsn }).POSTGRES_URL).toBe(dsn)
  for (const other of [{ SA01_DB_HOST: 'other' }, { SA01_DB_PORT: '5433' }, { SA01_DB_NAME: 'x' }, { SA01_DB_USER: 'y' }, { SA01_DB_PASSWORD: 'hunter2' }] as Record<
    string,
    string
  >[]) {
    const message = refusal({ POSTGRES_URL: dsn, ...other })
    expect(message).toContain(`${Object.keys(other)[0]} says something else than POSTGRES_URL`)
    expect(message).not.toMatch(/hunter2|p%40ss/)
  }
})

test('a token can stand in a file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'soma-token-'))
  try {
    const file = join(directory, 'token')
    writeFileSync(file, 'a token in a file\n')
    expect(parseConfig({ SOMA_API_TOKEN_FILE: file, AUTH_MODE: 'token' }).SOMA_API_TOKEN).toBe('a token in a file')
    expect(refusal({ SOMA_API_TOKEN_FILE: file, SOMA_API_TOKEN: 'another token' })).toContain('different values')
    writeFileSync(file, ' \n')
    expect(refusal({ SOMA_API_TOKEN_FILE: file })).toContain('empty file')
    expect(refusal({ SOMA_API_TOKEN_FILE: join(directory, 'nothing') })).toContain('cannot be read (ENOENT)')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('dead names are refused with what replaced them', () => {
  const names: Record<string, string> = {
    UVICORN_WORKERS: 'desiredTaskCount',
    QDRANT_URL: 'vectors are in Postgres',
    QDRANT_TLS: 'vectors are in Postgres',
    SOMABRAIN_MEMORY_HTTP_ENDPOINT: 'SOMA_URL',
    SOMABRAIN_HOST_PORT: 'PORT',
    POSTGRES_SSL_MODE: 'sslmode',
    POSTGRES_SSL_CERT: 'POSTGRES_SSL_ROOT_CERT',
  }
  for (const [name, replacement] of Object.entries(names)) {
    const message = refusal({ [name]: 'hunter2' })
    expect(message, name).toContain(`${name} is set, but `)
    expect(message).toContain(replacement)
    expect(message).not.toContain('hunter2')
  }
  expect(refusal({ POSTGRES_SSL_ROOT_CERT: '/ca.pem' })).toBeUndefined()
  expect(refusal({ SOMABRAIN_MODE: 'stubs' })).toContain('SOMABRAIN_MODE takes full-local')
  expect(refusal({ SOMABRAIN_DISABLE_AUTH: 'constructor' })).toContain('SOMABRAIN_DISABLE_AUTH takes 0, 1')
})

test('what is always so may be asked for and not turned off', () => {
  for (const name of ['EVENTING_ENABLED', 'SOMABRAIN_STRICT_REAL', 'SOMABRAIN_REQUIRE_MEMORY', 'SOMABRAIN_ENABLE_BEST']) {
    expect(parseConfig({ [name]: 'true' }).warnings).toEqual([expect.stringContaining(`${name} is set and has no effect: `)])
    for (const off of ['0', 'false', 'maybe']) expect(refusal({ [name]: off })).toContain(`${name} cannot be turned off`)
  }
  for (const name of ['SOMABRAIN_FORCE_FULL_STACK', 'SOMABRAIN_REQUIRE_EXTERNAL_BACKENDS']) {
    expect(refusal({ [name]: '1' })).toContain('it needs POSTGRES_URL')
    expect(refusal({ [name]: '1', SOMABRAIN_POSTGRES_DSN: url })).toBeUndefined()
  }
})

test('other names of the guides’ products are named as unread; everybody else’s are left alone', () => {
  expect(parseConfig({ SOMABRAIN_TOPIC_NEXT_EVENT: 'x', SA01_CHAT_PROVIDER: 'openai', SOMASTACK_SOFTWARE_MODE: 'StandAlone' }).warnings).toEqual([
    'SOMABRAIN_TOPIC_NEXT_EVENT is set, but nothing here reads it.',
    'SA01_CHAT_PROVIDER is set, but nothing here reads it.',
    'SOMASTACK_SOFTWARE_MODE is set, but nothing here reads it.',
  ])
  expect(
    parseConfig({ OPENAI_API_KEY: 'x', KEYCLOAK_URL: 'x', SMTP_HOST: 'x', DEBUG: 'False', SECRET_KEY: 'x', PATH: '/bin', SOMA_TOKEN: 'x', SOMABRAIN_PORT: '' }).warnings,
  ).toEqual([])
})
