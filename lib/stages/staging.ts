import type { StageFile } from '../settings.ts'

export const staging: StageFile = {
  logRetentionDays: 30,
  memoryMultiplier: 1,
  reservedConcurrency: { http: 10, records: 4, job: 2 },
  removalPolicy: 'destroy',
  architecture: 'arm64',
  secretPrefix: 'soma/staging',
  tasks: { least: 1, most: 2 },
  internalLoadBalancer: true,
  database: { capacity: { least: 0.5, most: 8 }, readers: 0, proxy: true, backupDays: 7, rotateDays: 30 },
  kafka: { type: 'kafka.t3.small', storageGb: 50, pollers: { least: 1, most: 2 } },
  redis: { nodeType: 'cache.t4g.micro', replicas: 0 },
  milvus: null,
  nextEmbedderKey: false,
  rests: false,
  variables: {},
  domain: null,
  throttle: { perSecond: 500, burst: 1000 },
  firewall: { perFiveMinutes: 100_000 },
  alarmEmails: [],
  otlpEndpoint: null,
}
