import { expect, test } from 'vitest'
import { alerts } from '../../functions/alerts.ts'
import { createEmf, createMetrics, slos } from '../../shared/telemetry/index.ts'

const now = 1_700_000_000_000
const documents = async (emf: ReturnType<typeof createEmf>, measured = false) => (await emf.lines(now, measured)).map((line) => JSON.parse(line))
const latency = { endpoint: '/v1/recall', method: 'POST' }

test('what was counted since the last time is told, once', async () => {
  const metrics = createMetrics()
  const emf = createEmf(metrics, 'Soma/test')
  expect(await documents(emf)).toEqual([])
  metrics.apiRequests.inc({ ...latency, status: '200' }, 3)
  metrics.apiRequests.inc({ ...latency, status: '503' }, 2)
  for (const seconds of [0.1, 0.5, 0.51, 9, 60]) metrics.apiLatency.observe(latency, seconds)
  metrics.apiRequests.inc({ endpoint: '/v1/usage', method: 'GET', status: '500' })
  metrics.deadLetters.inc({ consumer: 'index-vectors' }, 4)
  expect(await documents(emf)).toEqual([
    {
      _aws: {
        Timestamp: now,
        CloudWatchMetrics: [
          {
            Namespace: 'Soma/test',
            Dimensions: [['slo']],
            Metrics: [
              { Name: 'requests', Unit: 'Count' },
              { Name: 'requests_failed', Unit: 'Count' },
              { Name: 'requests_slow', Unit: 'Count' },
            ],
          },
        ],
      },
      slo: 'recall',
      requests: 5,
      requests_failed: 2,
      requests_slow: 3,
    },
    {
      _aws: { Timestamp: now, CloudWatchMetrics: [{ Namespace: 'Soma/test', Dimensions: [[]], Metrics: [{ Name: 'dead_letters_total', Unit: 'Count' }] }] },
      dead_letters_total: 4,
    },
  ])
  expect(await documents(emf)).toEqual([])
})

test('gauges of the database are told by who has just read it, the worst of all tenants and models, and no tenant by name', async () => {
  const metrics = createMetrics()
  const emf = createEmf(metrics, 'Soma/test')
  for (const [tenant, pending, dead, age] of [
    ['acme', 5, 0, 12],
    ['globex', 7, 2, 400],
  ] as const) {
    metrics.outboxPending.set({ tenant }, pending)
    metrics.outboxDead.set({ tenant }, dead)
    metrics.walLag.set({ tenant }, age)
  }
  metrics.statusUp.set({ handler: 'status' }, 1)
  for (const [model, missing, repaired] of [
    ['a', 9, 9],
    ['b', 3, 1],
  ] as const) {
    metrics.vectorMissing.set({ model }, missing)
    metrics.vectorRepaired.set({ model }, repaired)
  }
  metrics.recoveryAge.set({ kind: 'backup' }, 3600)
  metrics.recoveryOk.set({ kind: 'drill' }, 0)
  metrics.auditUnsealed.set(40)
  expect(await documents(emf)).toEqual([])
  const told = await documents(emf, true)
  expect(told).toMatchObject([
    { memory_wal_lag_seconds: 400, outbox_dead: 2, status_up: 1, outbox_pending: 12, vector_index_unmended: 2, dependency_open: 0, audit_unsealed_age_seconds: 40 },
    { kind: 'backup', recovery_age_seconds: 3600 },
    { kind: 'drill', recovery_last_ok: 0 },
  ])
  expect(JSON.stringify(told)).not.toMatch(/acme|globex/)
})

test('of certificates the one that expires first is told, and of secrets the oldest that should be changed', async () => {
  const metrics = createMetrics()
  metrics.certificateExpires.set({ dependency: 'redis' }, 500)
  metrics.certificateExpires.set({ dependency: 'database' }, 100)
  metrics.secretAge.set({ secret: 'POSTGRES_URL' }, 7)
  metrics.secretAge.set({ secret: 'BACKUP_KEY' }, 9)
  expect(await documents(createEmf(metrics, 'Soma/test'), true)).toMatchObject([{ certificate_expires_seconds: 100, secret_age_seconds: 7 }])
})

test('the lag of the index is told by who has indexed', async () => {
  const metrics = createMetrics()
  const emf = createEmf(metrics, 'Soma/test')
  metrics.indexLag.set(2.5)
  expect(await documents(emf)).toEqual([])
  metrics.consumed.inc({ topic: 'memory.events' }, 100)
  expect(await documents(emf)).toMatchObject([{ consumer_messages_consumed_total: 100 }, { memory_index_lag_seconds: 2.5 }])
})

test('a promise is held to a bucket of the histogram, so that what is slower is counted exactly', async () => {
  const metrics = createMetrics()
  metrics.apiLatency.observe(latency, 0.1)
  const bounds = (await metrics.samples()).find(({ name }) => name === 'api_request_latency_seconds')?.values.map(({ labels }) => labels.le)
  for (const { withinSeconds } of slos) expect(bounds).toContain(withinSeconds)
})

test('whatever an alarm looks at is told, under the same dimension', async () => {
  const metrics = createMetrics()
  for (const one of ['consumed', 'consumeFailures', 'deadLetters'] as const) (metrics[one] as { inc(labels: object): void }).inc({})
  metrics.indexLag.set(1)
  metrics.statusUp.set({ handler: 'status' }, 1)
  metrics.vectorMissing.set({ model: 'a' }, 0)
  metrics.certificateExpires.set({ dependency: 'redis' }, 1)
  metrics.secretAge.set({ secret: 'POSTGRES_URL' }, 1)
  for (const kind of ['backup', 'drill']) for (const gauge of [metrics.recoveryAge, metrics.recoveryEvery, metrics.recoveryLooked, metrics.recoveryOk]) gauge.set({ kind }, 1)
  const told = await documents(createEmf(metrics, 'Soma/test'), true)
  const names = new Set(told.flatMap(({ _aws, kind = '' }) => _aws.CloudWatchMetrics[0].Metrics.map(({ Name }: { Name: string }) => `${kind}/${Name}`)))
  for (const { alarm } of alerts) if (alarm) for (const metric of Object.values(alarm.metrics)) expect(names).toContain(`${alarm.kind ?? ''}/${metric}`)
})
