import type { StageFile } from '../settings.ts'

export const prod: StageFile = {
  logRetentionDays: 365,
  memoryMultiplier: 2,
  reservedConcurrency: { http: 50, records: 10, job: 2 },
  removalPolicy: 'retain',
  architecture: 'arm64',
  secretPrefix: 'soma/prod',
  tasks: { least: 2, most: 10 },
  internalLoadBalancer: true,
  database: { capacity: { least: 2, most: 32 }, readers: 1, proxy: true, backupDays: 35, rotateDays: 30 },
  kafka: { type: 'kafka.m7g.large', storageGb: 200, pollers: { least: 1, most: 8 } },
  redis: { nodeType: 'cache.t4g.small', replicas: 1 },
  milvus: null,
  nextEmbedderKey: false,
  rests: false,
  variables: {},
  domain: null,
  throttle: { perSecond: 2000, burst: 4000 },
  firewall: { perFiveMinutes: 100_000 },
  alarmEmails: [],
  otlpEndpoint: null,
}
