import type { StageFile } from '../settings.ts'

export const dev: StageFile = {
  logRetentionDays: 7,
  memoryMultiplier: 1,
  reservedConcurrency: { http: null, records: null, job: null },
  removalPolicy: 'destroy',
  architecture: 'arm64',
  secretPrefix: 'soma/dev',
  tasks: { least: 1, most: 1 },
  internalLoadBalancer: true,
  database: { capacity: { least: 0, most: 4 }, readers: 0, proxy: false, backupDays: 1, rotateDays: null },
  kafka: null,
  redis: null,
  milvus: null,
  nextEmbedderKey: false,
  rests: false,
  variables: {},
  domain: null,
  throttle: { perSecond: 100, burst: 200 },
  firewall: null,
  alarmEmails: [],
  otlpEndpoint: null,
}
