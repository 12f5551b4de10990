import type { StageFile } from '../settings.ts'

export const prod: StageFile = {
  logRetentionDays: 365,
  memoryMultiplier: 2,
  reservedConcurrency: { http: 50, records: 10, job: 2 },
  removalPolicy: 'retain',
  architecture: 'arm64',
  secretPrefix: 'soma/prod',
  desiredTaskCount: 2,
  internalLoadBalancer: true,
  kafka: null,
  redis: false,
  milvus: null,
  nextEmbedderKey: false,
  otlpEndpoint: null,
}
