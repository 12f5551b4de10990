import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../local/services/command.ts'
import { type RunningRedis, startRedis } from '../../local/services/redis.ts'
import { parseConfig, type RedisConnection, redisConnection } from '../../shared/config/index.ts'
import { createLimiter } from '../../shared/limit/index.ts'
import { openRedis, type Redis } from '../../shared/redis/index.ts'
import { until } from '../kafka/broker.ts'
import { requireService } from '../support/services.ts'

const available = requireService('TEST_REDIS_URL')
const connectionTo = (environment: Record<string, string>) => redisConnection(parseConfig(environment)) as RedisConnection

describe.skipIf(!available)('a connection to Redis', () => {
  let folder = ''
  const file = (name: string) => join(folder, name)
  let server: RunningRedis
  let tlsPort: number
  let redis: Redis | undefined
  let told: string[]
  // a server of this file's own, since it is killed
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'soma-redis-tls-'))
    const days = ['-days', '2', '-nodes', '-newkey', 'rsa:2048']
    execFileSync(
      'openssl',
      ['req', '-x509', ...days, '-keyout', file('key'), '-out', file('ca'), '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      {
        stdio: 'ignore',
      },
    )
    tlsPort = await freePort()
    server = await startRedis({ settings: `tls-port ${tlsPort}\ntls-cert-file ${file('ca')}\ntls-key-file ${file('key')}\ntls-auth-clients no` })
  })
  afterEach(() => redis?.close())
  afterAll(async () => {
    await server?.stop()
    if (folder) rmSync(folder, { recursive: true })
  })
  const opened = (environment: Record<string, string>): Redis => {
    told = []
    redis = openRedis(connectionTo(environment), { onAway: (reason) => told.push(reason), onBack: () => told.push('back') })
    return redis
  }

  test('is there, goes with a server that is killed, and comes back with it, saying so once each', async () => {
    const { client, connect, state } = opened({ REDIS_URL: server.url })
    await connect()
    expect(state()).toEqual({ ok: true })
    expect(await client.ping()).toBe('PONG')
    await server.kill()
    await until(() => !state().ok)
    await expect(client.ping()).rejects.toThrow()
    expect(state().detail).toMatch(/^Redis \(REDIS_URL\) is away: /)
    await server.restart()
    await until(() => state().ok)
    expect(await client.ping()).toBe('PONG')
    expect(told).toEqual([expect.stringMatching(/^Redis \(REDIS_URL\) at 127\.0\.0\.1:\d+ is away: /), 'back'])
  })

  test('does not wait for a server that takes bytes and says nothing: it is away until it answers again', async () => {
    const { client, connect, state } = opened({ REDIS_URL: server.url })
    await connect()
    server.freeze()
    try {
      await expect(client.ping()).rejects.toThrow(/timed out/)
      await until(() => !state().ok)
    } finally {
      server.thaw()
    }
    await until(() => state().ok)
    expect(await client.ping()).toBe('PONG')
  })

  test('says what is wrong, and what to look at', async () => {
    const { port } = new URL(server.url)
    const nobody = await freePort()
    const cases: [Record<string, string>, RegExp][] = [
      [{ REDIS_URL: `redis://:wrong@127.0.0.1:${port}` }, /refuses the credentials: look at the user and password in REDIS_URL/],
      [{ REDIS_URL: `redis://127.0.0.1:${port}` }, /refuses the credentials/],
      [{ REDIS_URL: `redis://127.0.0.1:${nobody}` }, /nobody listens there/],
      [{ REDIS_URL: server.url.replace('redis:', 'rediss:') }, /does not answer in time: look at the host and port, and whether it speaks TLS/],
      [{ REDIS_URL: `${server.url}?cluster=true` }, /it is no cluster/],
      [{ REDIS_URL: Object.assign(new URL(server.url.replace('redis:', 'rediss:')), { port: String(tlsPort) }).href }, /certificate is not trusted .*REDIS_SSL_CA_LOCATION/],
    ]
    for (const [environment, says] of cases) {
      const { connect, state, close } = opened(environment)
      await connect()
      await until(() => says.test(state().detail ?? ''))
      await close()
    }
  })

  test('speaks TLS with the certificate of a CA that it is given', async () => {
    const url = Object.assign(new URL(server.url.replace('redis:', 'rediss:')), { port: String(tlsPort) }).href
    const { client, connect } = opened({ REDIS_URL: url, REDIS_SSL_CA_LOCATION: file('ca') })
    await connect()
    expect(await client.ping()).toBe('PONG')
  })

  test('a certificate that cannot be read is refused at once', () => {
    expect(() => opened({ REDIS_URL: 'rediss://localhost', REDIS_SSL_CA_LOCATION: file('absent') })).toThrow(/REDIS_SSL_CA_LOCATION got ".*absent": the certificate cannot be read/)
  })

  test('a user of its own needs no more rights than the runbook says', async () => {
    const [rights = ''] = /~soma:\* [^`]*/.exec(readFileSync('docs/runbook.md', 'utf8')) ?? []
    await server.command('acl', 'setuser', 'soma', 'on', '>secret', ...rights.trim().split(' '))
    const { connect, state } = opened({ REDIS_URL: Object.assign(new URL(server.url), { username: 'soma', password: 'secret' }).href })
    await connect()
    expect(state()).toEqual({ ok: true })
    const refused: string[] = []
    const limiter = createLimiter({ redis, prefix: async () => 'soma:test:', onRefused: (limit) => refused.push(limit) })
    const caller = { tenantId: 7, tenant: 't', actor: 'key:a', scopes: new Set<never>(), limits: { request_rate: { count: 2, seconds: 60 } } }
    for (let i = 0; i < 3; i++) await limiter.request(caller)
    expect(refused).toEqual(['tenant'])
    expect(await server.command('get', 'soma:test:tenant:60:7')).toBe('3')
  })

  test('finds the nodes of a cluster', async () => {
    const node = await startRedis({ settings: 'cluster-enabled yes\ncluster-announce-ip 127.0.0.1' })
    try {
      await node.command('cluster', 'addslotsrange', '0', '16383')
      await until(async () => (await node.command('cluster', 'info')).includes('cluster_state:ok'))
      const { client, connect, state } = opened({ REDIS_URL: `${node.url}?cluster=true` })
      await connect()
      await until(() => state().ok)
      expect(await client.set('a', '1')).toBe('OK')
      await node.kill()
      await until(() => !state().ok)
      await node.restart()
      await node.command('cluster', 'addslotsrange', '0', '16383').catch(() => {})
      await until(() => state().ok)
    } finally {
      await redis?.close()
      await node.stop()
    }
  })
})
