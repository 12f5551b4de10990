import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { giveToServer } from '../../local/services/account.ts'
import { type RunningPostgres, startPostgres } from '../../local/services/postgres.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { openPostgres } from '../../shared/db/index.ts'
import { certificateExpiry, certificateReader, tlsEndpoints } from '../../shared/host/index.ts'
import { asAdmin } from '../support/admin.ts'
import { requireService } from '../support/services.ts'

const available = requireService('POSTGRES_URL')
const days = 9

describe.skipIf(!available)('PostgreSQL by TLS', () => {
  let folder = ''
  let server: RunningPostgres
  const file = (name: string) => join(folder, name)
  const certificate = (name: string) => {
    const request = ['req', '-x509', '-days', String(days), '-nodes', '-newkey', 'rsa:2048', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    execFileSync('openssl', [...request, '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)], { stdio: 'ignore' })
  }
  // a server of this file's own, with a certificate
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'soma-tls-'))
    chmodSync(folder, 0o755)
    certificate('own')
    certificate('other')
    await giveToServer(file('own.key'))
    server = await startPostgres({ major: 18, fsync: false })
    await asAdmin(server.url, async (client) => {
      await client.query(`alter system set ssl_cert_file = '${file('own.pem')}'`)
      await client.query(`alter system set ssl_key_file = '${file('own.key')}'`)
      await client.query('alter system set ssl = on')
    })
    await server.restart('fast')
  }, 60_000)
  afterAll(async () => {
    await server?.stop()
    if (folder) rmSync(folder, { recursive: true })
  })
  const ask = async (sslRootCert: string) => {
    const db = openPostgres({ url: server.url, max: 2, sslRootCert, onError: () => {} })
    try {
      return await db.maintenance((sql) => sql.query<{ ssl: boolean }>('select ssl from pg_stat_ssl where pid = pg_backend_pid()'))
    } finally {
      await db.close()
    }
  }

  test('is spoken to where its certificate is of the CA that is named', async () => {
    expect(await ask(file('own.pem'))).toEqual([{ ssl: true }])
  })

  test.each(['other.pem', 'aws'])('is refused where it is of another: %s', async (named) => {
    await expect(ask(named === 'aws' ? named : file(named))).rejects.toMatchObject({
      code: 'unavailable',
      details: { cause: expect.objectContaining({ message: expect.stringMatching(/certificate/) }) },
    })
  })

  test('says when its certificate expires, to whoever asks the way it wants to be asked', async () => {
    const { hostname: host, port } = new URL(server.url)
    const left = (await certificateExpiry({ dependency: 'database', host, port: Number(port), postgres: true })).getTime() - Date.now()
    expect(left / 86_400_000).toBeGreaterThan(days - 1)
    expect(left / 86_400_000).toBeLessThanOrEqual(days)
  })

  test('is among what status looks at, and what cannot be read is told and left out', async () => {
    const config = parseConfig({
      POSTGRES_URL: `${server.url}?sslmode=require`,
      REDIS_URL: 'rediss://127.0.0.1:1',
      EMBEDDER: 'http',
      EMBEDDING_MODEL: 'm',
      EMBEDDING_URL: 'http://127.0.0.1:1',
    })
    const endpoints = tlsEndpoints(config)
    expect(endpoints.map(({ dependency }) => dependency)).toEqual(['database', 'redis'])
    const problems: string[] = []
    const read = certificateReader(endpoints, (dependency) => problems.push(dependency))
    const now = Date.now()
    const seconds = (await read(now)).get('database') as number
    expect(seconds / 86_400).toBeGreaterThan(days - 1)
    expect(problems).toEqual(['redis'])
    // the time goes on without another look
    expect((await read(now + 60_000)).get('database')).toBeCloseTo(seconds - 60, 3)
    expect(problems).toEqual(['redis'])
  })

  test.each([
    ['at once', (socket: Socket) => socket.end()],
    ['when it is asked', (socket: Socket) => socket.once('data', () => socket.end())],
  ])('that ends the connection %s shows none, and nobody waits for it', async (_when, answer) => {
    const closing = createServer(answer).listen(0, '127.0.0.1')
    await once(closing, 'listening')
    const { port } = closing.address() as AddressInfo
    await expect(certificateExpiry({ dependency: 'database', host: '127.0.0.1', port, postgres: true })).rejects.toThrow(/closed/)
    closing.close()
  })

  test('that takes no TLS says so', async () => {
    const { hostname: host, port } = new URL(available as string)
    await expect(certificateExpiry({ dependency: 'database', host, port: Number(port), postgres: true })).rejects.toThrow('takes no TLS')
  })
})

test('only what is spoken to by TLS is looked at', () => {
  const plain = parseConfig({ POSTGRES_URL: 'postgres://db/soma', REDIS_URL: 'redis://cache:6379', KAFKA_BOOTSTRAP_SERVERS: 'broker:9092' })
  expect(tlsEndpoints(plain)).toEqual([])
  const tls = parseConfig({
    POSTGRES_URL: 'postgres://db/soma',
    POSTGRES_SSL_ROOT_CERT: 'aws',
    REDIS_URL: 'rediss://cache:6380',
    KAFKA_BOOTSTRAP_SERVERS: 'a:9094,[::1]:9094',
    KAFKA_SECURITY_PROTOCOL: 'SSL',
  })
  expect(tlsEndpoints(tls)).toEqual([
    { dependency: 'database', host: 'db', port: 5432, postgres: true },
    { dependency: 'broker', host: 'a', port: 9094 },
    { dependency: 'broker', host: '::1', port: 9094 },
    { dependency: 'redis', host: 'cache', port: 6380 },
  ])
})
