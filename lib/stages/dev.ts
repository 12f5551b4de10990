import type { StageFile } from '../settings.ts'

export const dev: StageFile = {
  logRetentionDays: 7,
  memoryMultiplier: 1,
  reservedConcurrency: { http: null, records: null, job: null },
  removalPolicy: 'destroy',
  architecture: 'arm64',
  secretPrefix: 'soma/dev',
  desiredTaskCount: 1,
  internalLoadBalancer: true,
  kafka: null,
  redis: false,
  milvus: null,
  nextEmbedderKey: false,
  otlpEndpoint: null,
}
