import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Local, openLocal } from '../../local/adapter.ts'
import { ConfigError, parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { embeddedCopy } from '../support/template.ts'

const memory = { SOMA_DATA_DIR: 'memory://', LOG_LEVEL: 'silent' }

describe.each([
  ['token', 401],
  ['mixed', 401],
  ['open', 200],
] as const)('AUTH_MODE=%s with SOMA_API_TOKEN', (mode, anonymous) => {
  let local: Local
  beforeAll(async () => {
    local = await openLocal(
      parseConfig({ ...memory, SOMA_DATA_DIR: await embeddedCopy(), AUTH_MODE: mode, SOMA_API_TOKEN: 'the one and only token'.replaceAll(' ', '-') }),
      createLog('silent'),
    )
  })
  afterAll(() => local.close())
  const stats = async (headers: Record<string, string> = {}) => (await local.fetch(new Request('http://127.0.0.1/stats', { headers }))).status

  test(`the token acts for the tenant default, a wrong one is refused, and none is a ${anonymous}`, async () => {
    expect(await stats({ authorization: 'Bearer the-one-and-only-token' })).toBe(200)
    expect(await stats({ 'x-api-key': 'the-one-and-only-token', 'x-tenant-id': 'default' })).toBe(200)
    expect(await stats({ authorization: 'Bearer the-one-and-only-token', 'x-tenant-id': 'other' })).toBe(403)
    for (const wrong of ['the-one-and-only-toke', 'the-one-and-only-token2', 'x']) expect(await stats({ authorization: `Bearer ${wrong}` })).toBe(401)
    expect(await stats()).toBe(anonymous)
  })

  test('a key works wherever keys are taken, and the token has no platform scope', async () => {
    const headers = { authorization: 'Bearer the-one-and-only-token', 'content-type': 'application/json' }
    const made = await local.fetch(new Request('http://127.0.0.1/v1/keys', { method: 'POST', headers, body: '{}' }))
    expect(made.status).toBe(201)
    const { key } = (await made.json()) as { key: string }
    expect(await stats({ authorization: `Bearer ${key}` })).toBe(mode === 'token' ? 401 : 200)
    expect((await local.fetch(new Request('http://127.0.0.1/v1/tenants', { headers }))).status).toBe(403)
  })
})

describe('the configuration', () => {
  const wrong: [Record<string, string>, RegExp][] = [
    [{ AUTH_MODE: 'open', HOST: '0.0.0.0' }, /AUTH_MODE got "open".*loopback/],
    [{ AUTH_MODE: 'open', HOST: '10.0.0.7' }, /AUTH_MODE/],
    [{ AUTH_MODE: 'open', HOST: '::' }, /AUTH_MODE/],
    [{ AUTH_MODE: 'open', STAGE: 'prod' }, /AUTH_MODE/],
    [{ AUTH_MODE: 'none' }, /AUTH_MODE got "none"/],
    [{ AUTH_MODE: 'token' }, /SOMA_API_TOKEN/],
    [{ PORT: 'http' }, /PORT got "http"/],
    [{ PORT: '70000' }, /PORT got "70000"/],
    [{ STAGE: 'production' }, /STAGE got "production"/],
    [{ POSTGRES_URL: 'mysql://x' }, /POSTGRES_URL got a value: takes a URL that begins with postgres/],
    [{ POSTGRES_POOL_SIZE: '0' }, /POSTGRES_POOL_SIZE got "0"/],
    [{ STATEMENT_TIMEOUT_MS: '1' }, /STATEMENT_TIMEOUT_MS/],
    [{ EMBEDDER: 'magic' }, /EMBEDDER got "magic"/],
    [{ EMBEDDER: 'http' }, /EMBEDDING_URL/],
    [{ EMBEDDING_DIM: '5000' }, /EMBEDDING_DIM got "5000"/],
    [{ LOG_LEVEL: 'loud' }, /LOG_LEVEL got "loud"/],
  ]
  test.each(wrong)('%j stops the start with a message that names the variable', (environment, message) => {
    expect(() => parseConfig(environment)).toThrow(ConfigError)
    expect(() => parseConfig(environment)).toThrow(message)
  })

  test('a secret of a wrong form is named, never shown', () => {
    for (const name of ['SOMA_API_TOKEN', 'SIGNING_KEY', 'METRICS_TOKEN', 'POSTGRES_URL', 'POSTGRES_WORKER_URL', 'POSTGRES_MIGRATION_URL']) {
      const error = (() => {
        try {
          return parseConfig({ [name]: 'hunter2' })
        } catch (caught) {
          return caught as Error
        }
      })() as Error
      expect(error.message).toContain(name)
      expect(error.message).not.toContain('hunter2')
    }
  })

  test('open is the default on loopback in local, mixed everywhere else', () => {
    expect(parseConfig({}).AUTH_MODE).toBe('open')
    for (const HOST of ['localhost', '::1', '127.0.0.1']) expect(parseConfig({ HOST }).AUTH_MODE).toBe('open')
    for (const more of [{ HOST: '0.0.0.0' }, { STAGE: 'dev' }, { STAGE: 'prod', HOST: '0.0.0.0' }]) expect(parseConfig(more).AUTH_MODE).toBe('mixed')
    expect(parseConfig({ AUTH_MODE: 'open', HOST: '0.0.0.0', AUTH_OPEN_IN_CONTAINER: '1' }).AUTH_MODE).toBe('open')
  })
})
