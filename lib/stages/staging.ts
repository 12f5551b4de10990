import type { StageFile } from '../settings.ts'

export const staging: StageFile = {
  logRetentionDays: 30,
  memoryMultiplier: 1,
  reservedConcurrency: { http: 10, records: 4, job: 2 },
  removalPolicy: 'destroy',
  architecture: 'arm64',
  secretPrefix: 'soma/staging',
  desiredTaskCount: 1,
  internalLoadBalancer: true,
  kafka: null,
  redis: false,
  milvus: null,
  nextEmbedderKey: false,
  otlpEndpoint: null,
}
