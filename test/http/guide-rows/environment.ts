import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { thresholds } from '../../../bench/k6/thresholds.ts'
import { openLocal } from '../../../local/adapter.ts'
import { renderedObjects } from '../../../local/kubernetes/render.ts'
import { ConfigError, parseConfig } from '../../../shared/config/index.ts'
import { openPostgres } from '../../../shared/db/index.ts'
import { readCursor, signCursor } from '../../../shared/memory/index.ts'
import { parseRecord } from '../../../shared/outbox/index.ts'
import { createLog } from '../../../shared/telemetry/index.ts'
import type { Ctx } from '../../../shared/tenant/index.ts'
import { ofType, synth } from '../../stack/synth.ts'
import { requireService } from '../../support/services.ts'

const url = 'postgresql://soma:pass@db:5432/soma'
const compose = readFileSync('local/compose.yaml', 'utf8')
const dockerfile = readFileSync('Dockerfile', 'utf8')
const port = (value: string) => async () => expect(parseConfig({ PORT: value }).PORT).toBe(Number(value))
const renamed = (old: string, value: string, name: keyof ReturnType<typeof parseConfig>, meaning: unknown) => async () => {
  const config = parseConfig({ [old]: value })
  expect(config[name]).toBe(meaning)
  expect(config.warnings).toContain(`${old} is an older name: set ${name}.`)
}
const refused = (environment: Record<string, string>, message: string) => {
  expect(() => parseConfig(environment)).toThrow(ConfigError)
  expect(() => parseConfig(environment)).toThrow(message)
}
const postgres = requireService('POSTGRES_URL')
// that they are what the manifest renders, and what the API takes, test/unit/kubernetes.test.ts shows
const kubernetes = Object.values(renderedObjects()).flat()
const kinds = (...wanted: string[]) => {
  for (const kind of wanted) expect([kind, kubernetes.some((one) => one.kind === kind)]).toEqual([kind, true])
}
const inKubernetes = (kind: string, name: string) => kubernetes.find((one) => one.kind === kind && one.metadata.name === name)

/** Rows about variables and files: the id, and what shows that the row is true. */
export const environmentRows: Record<string, () => Promise<unknown>> = {
  A1: port('10101'),
  async A4() {
    const named = { MILVUS_HOST: 'milvus', MILVUS_PORT: '19530' }
    expect(parseConfig({ ...named, VECTOR_ENGINE: 'milvus' })).toMatchObject({ VECTOR_ENGINE: 'milvus', MILVUS_HOST: 'milvus', MILVUS_PORT: 19_530 })
    expect(parseConfig(named).warnings.join('\n')).toMatch(/MILVUS_HOST is set, but VECTOR_ENGINE is not milvus[\s\S]*MILVUS_PORT is set/)
  },
  A5: async () => expect(compose).toMatch(/ports: \["127\.0\.0\.1:\$\{POSTGRES_PORT:-5432\}:5432"\]/),
  A8: renamed('SA01_DEPLOYMENT_MODE', 'PROD', 'STAGE', 'prod'),
  A10: renamed('SA01_DB_DSN', url, 'POSTGRES_URL', url),
  async A11() {
    const parts = { SA01_DB_HOST: 'db', SA01_DB_PORT: '5432', SA01_DB_NAME: 'soma', SA01_DB_USER: 'soma', SA01_DB_PASSWORD: 'pass' }
    expect(parseConfig(parts).POSTGRES_URL).toBe(url)
  },
  A15: renamed('SOMA_MEMORY_API_TOKEN', 'a token of the agent', 'SOMA_API_TOKEN', 'a token of the agent'),
  // no Docker here: test/unit/image.test.ts and test/parity/containers.test.ts run its lines without
  A17: async () => expect(dockerfile).toMatch(/\nUSER node\n[\s\S]*\nCMD \["node", "bin\/soma\.ts", "start"\]/),
  A18: async () => expect(compose).toMatch(/\n {2}postgres:\n {4}image: pgvector\/pgvector:[\w.-]+-pg18\n[\s\S]*healthcheck:/),
  async A23() {
    const config = parseConfig({ STAGE: 'dev', SOMA_DATA_DIR: 'memory://', LOG_LEVEL: 'silent' })
    await expect(openLocal(config, createLog('silent'))).rejects.toThrow('run `npx soma migrate`')
  },
  async A28() {
    const ctx = (signingKey: string) => ({ tenantId: 1, signingKey }) as Ctx
    const cursor = signCursor(ctx('the key of January'), 'q', [1])
    expect(readCursor(ctx('the key of January'), 'q', cursor)).toEqual([1])
    expect(() => readCursor(ctx('the key of February'), 'q', cursor)).toThrow('next_cursor')
  },
  F3: port('9797'),
  async F5() {
    expect(parseConfig({ POSTGRES_URL: `${url}?sslmode=require` }).POSTGRES_URL).toBe(`${url}?sslmode=require`)
    if (!postgres) return
    // the test server speaks no TLS, so asking for it must fail and not go on in the clear
    const secure = Object.assign(new URL(postgres), { search: '?sslmode=require' }).href
    const database = openPostgres({ url: secure, max: 1, onError: () => {} })
    await expect(database.maintenance((sql) => sql.query('select 1'))).rejects.toThrow()
    await database.close()
  },
  F6: async () =>
    expect(parseConfig({ SOMA_API_TOKEN_SECRET_ARN: 'arn:t', POSTGRES_URL_SECRET_ARN: 'arn:p' }).secretArns).toEqual({ SOMA_API_TOKEN: 'arn:t', POSTGRES_URL: 'arn:p' }),
  async F14() {
    expect(parseConfig({ POSTGRES_SSL_ROOT_CERT: '/ca.pem' }).POSTGRES_SSL_ROOT_CERT).toBe('/ca.pem')
    refused({ POSTGRES_SSL_MODE: 'require' }, 'sslmode')
    refused({ QDRANT_TLS: 'true' }, 'vectors are in Postgres')
    expect(parseConfig({ KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_BOOTSTRAP_SERVERS: 'kafka:9092' }).warnings).toEqual([])
    expect(parseConfig({ KAFKA_SECURITY_PROTOCOL: 'SSL' }).warnings).toEqual(['KAFKA_SECURITY_PROTOCOL is set, but KAFKA_BOOTSTRAP_SERVERS is not: no broker is used.'])
  },
  A21: async () => kinds('Deployment', 'Service', 'HorizontalPodAutoscaler'),
  F10: async () => kinds('HorizontalPodAutoscaler', 'NetworkPolicy', 'Role', 'RoleBinding', 'ServiceAccount', 'PodDisruptionBudget'),
  F18: async () => kinds('Namespace', 'Deployment', 'Job', 'CronJob'),
  F21: async () => expect(inKubernetes('Service', 'router')?.spec).toMatchObject({ ports: [{ port: 9595 }] }),
  async K7() {
    kinds('Namespace', 'ConfigMap', 'ExternalSecret', 'Ingress', 'NetworkPolicy', 'ServiceMonitor')
    expect(kubernetes.some(({ kind }) => kind === 'StatefulSet' || kind === 'PersistentVolumeClaim')).toBe(false)
  },
  K8: async () =>
    expect(inKubernetes('Ingress', 'soma')).toMatchObject({
      metadata: { annotations: { 'cert-manager.io/cluster-issuer': 'letsencrypt' } },
      spec: { tls: [{ secretName: 'soma-tls' }] },
    }),
  K17: async () => expect(inKubernetes('Ingress', 'soma')?.spec).toMatchObject({ rules: [{ host: 'soma.example.com' }] }),
  async K21() {
    for (const name of ['store', 'recall', 'index-vectors']) expect([inKubernetes('Deployment', name), inKubernetes('Service', name)]).not.toContain(undefined)
    expect(inKubernetes('ExternalSecret', 'soma-store')?.spec).toMatchObject({ target: { name: 'soma-store' } })
  },
  P5: async () => expect(readFileSync('docs/kubernetes/kustomization.yaml', 'utf8')).toContain('kind: Kustomization'),
  async P18() {
    for (const name of ['service', 'pipeline', 'tenant', 'backup']) expect(JSON.parse(readFileSync(`docs/grafana/${name}.json`, 'utf8')).uid).toBe(`soma-${name}`)
    expect(readFileSync('docs/alerts.yaml', 'utf8')).toContain('severity: page')
  },
  async A20() {
    const { resources } = synth({ stage: 'prod', compute: 'container', own: true })
    const services = ['AWS::ECS::Service', 'AWS::ElasticLoadBalancingV2::LoadBalancer', 'AWS::RDS::DBCluster', 'AWS::ElastiCache::ReplicationGroup', 'AWS::MSK::Cluster']
    for (const type of services) expect([type, ofType(resources, type).length > 0]).toEqual([type, true])
  },
  async A30() {
    const certificateArn = 'arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f'
    const { resources } = synth({ compute: 'container', settings: { domain: { name: 'memory.example.com', certificateArn } } })
    const listeners = ofType(resources, 'AWS::ElasticLoadBalancingV2::Listener').map(([, { Properties }]) => Properties)
    expect(listeners).toContainEqual(expect.objectContaining({ Protocol: 'HTTPS', Certificates: [{ CertificateArn: certificateArn }] }))
  },
  async F11() {
    expect(inKubernetes('ServiceMonitor', 'soma')).toBeDefined()
    expect(readFileSync('docs/alerts.yaml', 'utf8')).toContain('alert: SomaOutboxOld')
    expect(JSON.parse(readFileSync('docs/grafana/service.json', 'utf8')).panels.length).toBeGreaterThan(0)
    expect(parseConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' })).toMatchObject({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', warnings: [] })
  },
  R4: async () => expect(kubernetes.find(({ kind }) => kind === 'Job')?.metadata.labels).toMatchObject({ 'app.kubernetes.io/name': 'migrate' }),
  F17: async () => expect(dockerfile).toMatch(/^FROM node:[\d.]+-/m),
  async F19() {
    expect(parseConfig({ EVENTING_ENABLED: 'true' }).warnings[0]).toContain('every change has its event')
    refused({ EVENTING_ENABLED: 'false' }, 'cannot be turned off')
  },
  async F20() {
    const schema = JSON.parse(readFileSync('shared/outbox/memory.event.json', 'utf8'))
    expect(schema.additionalProperties).toBe(false)
    const id = '01a1fd1a-e8f9-7fc3-9230-3a81be3932f4'
    const event = (more: object) =>
      parseRecord({ topic: 'memory.events', key: 'k', headers: {}, value: JSON.stringify({ event_id: id, id, namespace: 'n', type: 'created', payload: {}, ...more }) })
    expect(event({ timestamp: 1735689600.5 }).timestamp).toBe(1735689600.5)
    expect(event({ timestamp: '2026-01-01T00:00:00Z' }).timestamp).toBe('2026-01-01T00:00:00Z')
    expect(() => event({ timestamp: 1, tenant: 'x' })).toThrow()
  },
  K1: port('9696'),
  K3: renamed('SOMABRAIN_POSTGRES_DSN', url, 'POSTGRES_URL', url),
  K6: async () => expect(compose).toMatch(/volumes: \["postgres:\/var\/lib\/postgresql"[\s\S]*\nvolumes:\n {2}postgres:/),
  async K9() {
    for (const name of ['STRICT_REAL', 'REQUIRE_MEMORY', 'ENABLE_BEST', 'FORCE_FULL_STACK']) {
      expect(parseConfig({ [`SOMABRAIN_${name}`]: '1', POSTGRES_URL: url }).warnings).toHaveLength(1)
      refused({ [`SOMABRAIN_${name}`]: '0', POSTGRES_URL: url }, 'cannot be turned off')
    }
    refused({ SOMABRAIN_FORCE_FULL_STACK: '1' }, 'needs POSTGRES_URL')
  },
  K11: renamed('SOMABRAIN_DISABLE_AUTH', '0', 'AUTH_MODE', 'mixed'),
  P7: async () => {
    await renamed('SOMABRAIN_HOST', 'localhost', 'HOST', 'localhost')()
    await renamed('SOMABRAIN_PORT', '9696', 'PORT', 9696)()
  },
  P9: renamed('SOMABRAIN_MEMORY_HTTP_TOKEN', 'a token of the brain', 'SOMA_API_TOKEN', 'a token of the brain'),
  P10: async () => refused({ SOMABRAIN_REQUIRE_EXTERNAL_BACKENDS: '1' }, 'needs POSTGRES_URL'),
  P11: renamed('SOMABRAIN_MODE', 'full-local', 'STAGE', 'local'),
  P25: renamed('SQLALCHEMY_POOL_SIZE', '7', 'POSTGRES_POOL_SIZE', 7),
  async P28() {
    expect(thresholds()).toMatchObject({ 'http_req_duration{promise:store}': ['p(95)<750'], 'http_req_duration{promise:recall}': ['p(95)<500'] })
    expect(readFileSync('.ci/run', 'utf8')).toMatch(/for name in .* k6 .*; do check "bench/)
  },
}
