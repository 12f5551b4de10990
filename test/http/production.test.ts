import { expect, test } from 'vitest'
import { createDrill } from '../../functions/drill/handler.ts'
import { createKeepBackups } from '../../functions/keep-backups/handler.ts'
import { productionPoints } from '../../local/cli/production.ts'
import { type Config, parseConfig } from '../../shared/config/index.ts'
import { loseWakeUps } from '../db/admin.ts'
import { firstKey, memoryStore } from '../support/archives.ts'
import { describeEngines, type Product } from '../support/engines.ts'
import { newSigner } from '../support/forged-tokens.ts'

const signal = new AbortController().signal
const good = {
  STAGE: 'prod',
  AUTH_MODE: 'mixed',
  SIGNING_KEY: 'a test signing key',
  METRICS_TOKEN: 'a token of metrics',
  BACKUP_KEY: 'ab'.repeat(32),
  LOG_LEVEL: 'info',
} as const

function configOf(product: Product, more: Record<string, string> = {}): Config {
  const { POSTGRES_URL = '', POSTGRES_MIGRATION_URL = '' } = product.local.config
  return parseConfig({ ...good, POSTGRES_URL, POSTGRES_WORKER_URL: POSTGRES_URL, POSTGRES_MIGRATION_URL, ...more })
}

describeEngines(
  'the ten points before production',
  (product) => {
    const found = async (more: Record<string, string> = {}) =>
      Object.fromEntries((await productionPoints(configOf(product(), more))).map(({ name, state, detail }) => [name, { state, detail }]))

    test('say of each what was found, and what to do where it fails', async () => {
      await loseWakeUps(product())
      const points = await productionPoints(configOf(product()))
      expect(points.map(({ point, name }) => [point, name])).toEqual(
        ['secrets', 'TLS', 'persistence', 'migrations', 'broker', 'observability', 'access', 'backups', 'rotation', 'drill'].map((name, i) => [i + 1, name]),
      )
      for (const { detail } of points) expect(detail).toMatch(/[.!?]$/)
      expect(await found()).toMatchObject({
        secrets: { state: 'pass', detail: expect.stringContaining('BACKUP_KEY') },
        TLS: { state: 'fail', detail: expect.stringContaining('sslmode=require') },
        persistence: { state: 'fail', detail: expect.stringMatching(/fsync is off.*BACKUP_BUCKET is missing/) },
        migrations: { state: 'pass' },
        broker: { state: 'pass', detail: expect.stringContaining('There is no broker') },
        observability: { state: 'by hand' },
        access: { state: 'by hand', detail: expect.stringContaining('bound by row-level security') },
        backups: { state: 'fail', detail: expect.stringContaining('has never run') },
        rotation: { state: 'by hand' },
        drill: { state: 'fail', detail: expect.stringContaining('npx soma drill') },
      })
    })

    test('fail for what is missing or open', async () => {
      const local = await found({ STAGE: 'local', METRICS_TOKEN: '', LOG_LEVEL: 'silent', CORS_ORIGINS: '*', AUTH_MODE: 'open', SIGNING_KEY: '' })
      expect(local.secrets).toMatchObject({ state: 'fail', detail: expect.stringMatching(/STAGE is "local".*SIGNING_KEY, METRICS_TOKEN are missing/) })
      expect(local.observability).toMatchObject({ state: 'fail', detail: expect.stringMatching(/METRICS_TOKEN is missing.*LOG_LEVEL is silent/) })
      expect(local.access).toMatchObject({ state: 'fail', detail: expect.stringMatching(/AUTH_MODE is open.*CORS_ORIGINS is \*/) })
      const unreachable = await found({ JWT_ISSUER: 'http://127.0.0.1:9', JWT_AUDIENCE: 'soma' })
      expect(unreachable.access).toMatchObject({ state: 'fail', detail: expect.stringMatching(/issuer of tokens fails.*JWT_ISSUER/) })
      expect(unreachable.TLS?.detail).toContain('What goes to the issuer of tokens is not encrypted')
      const issuer = await found({ JWT_ISSUER: 'https://issuer.test', JWT_AUDIENCE: 'soma', JWT_PUBLIC_KEY_PATH: newSigner('https://issuer.test').publicPem })
      expect(issuer.access).toMatchObject({ state: 'by hand', detail: expect.stringContaining('Tokens of https://issuer.test for soma are taken') })
      const superuser = await found({ POSTGRES_URL: product().adminUrl as string })
      expect(superuser.access).toMatchObject({ state: 'fail', detail: expect.stringContaining('could pass by row-level security') })
      const away = await found({ KAFKA_BOOTSTRAP_SERVERS: '127.0.0.1:9' })
      expect(away.broker).toMatchObject({ state: 'fail' })
      expect(away.TLS?.detail).toContain('What goes to the broker is not encrypted')
      const embedded = await productionPoints(parseConfig({ ...good }))
      expect(embedded.filter(({ state }) => state === 'fail').map(({ name }) => name)).toEqual(['secrets', 'TLS', 'persistence', 'migrations', 'access', 'backups', 'drill'])
    })

    test('see a backup and a drill, when they were last good', { timeout: 60_000 }, async () => {
      const caller = await product().tenant()
      await product().call(caller, 'POST', '/v1/memories', { text: 'Ada prefers tea' })
      const store = memoryStore()
      const { owner, worker } = product().local.db
      const archives = { store: async () => store, prefix: '', key: firstKey }
      await createKeepBackups({ ...archives, worker, everyHours: 24, incrementHours: 0, keep: { daily: 7, weekly: 5, monthly: 12 } })(signal)
      expect((await found()).backups).toMatchObject({ state: 'pass', detail: expect.stringContaining('one is due every 24 hours') })
      await createDrill({ ...archives, owner, worker, signingKey: good.SIGNING_KEY, everyHours: 168, mostGigabytes: 50 })(signal)
      expect((await found()).drill).toMatchObject({ state: 'pass', detail: expect.stringContaining('s would have been lost') })
    })
  },
  ['postgres 18'],
)
