import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { traced } from '../trace/index.ts'

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10]
/** Tenants that get a label of their own; the rest are folded into `other`. */
export const maxTenantLabels = 1000

export type Metrics = ReturnType<typeof createMetrics>

/** The names operators already use (labels stay bounded). A gauge for tenant `default` is there from the start, at 0. */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  const metrics = {
    apiRequests: new Counter({ name: 'api_requests_total', help: 'HTTP requests by route template', labelNames: ['endpoint', 'method', 'status'], registers }),
    apiLatency: new Histogram({ name: 'api_request_latency_seconds', help: 'Time to answer an HTTP request', labelNames: ['endpoint', 'method'], buckets: seconds, registers }),
    requestsLimited: new Counter({
      name: 'requests_limited_total',
      help: 'Requests refused by a rate limit: of the key, the tenant, or batches',
      labelNames: ['limit'],
      registers,
    }),
    outboxPending: new Gauge({ name: 'outbox_pending', help: 'Outbox rows not yet sent (counted up to a bound)', labelNames: ['tenant'], registers }),
    outboxDead: new Gauge({ name: 'outbox_dead', help: 'Outbox rows whose attempts have run out', labelNames: ['tenant'], registers }),
    walLag: new Gauge({ name: 'memory_wal_lag_seconds', help: 'Age of the oldest unsent outbox row', labelNames: ['tenant'], registers }),
    breakerState: new Gauge({ name: 'circuit_breaker_state', help: '1 for the worst state of the breakers for the tenant', labelNames: ['tenant', 'state'], registers }),
    dependencyState: new Gauge({ name: 'dependency_breaker_state', help: '1 for the state of the breaker of the dependency', labelNames: ['dependency', 'state'], registers }),
    consumed: new Counter({ name: 'consumer_messages_consumed_total', help: 'Event records taken', labelNames: ['topic'], registers }),
    consumeFailures: new Counter({ name: 'consumer_process_failure_total', help: 'Event records that failed', labelNames: ['component'], registers }),
    deadLetters: new Counter({ name: 'dead_letters_total', help: 'Records that can never be applied and were put aside', labelNames: ['consumer'], registers }),
    consumerLag: new Gauge({
      name: 'consumer_lag',
      help: 'Event records of a partition that a consumer group has not done yet',
      labelNames: ['topic', 'partition', 'group'],
      registers,
    }),
    persistence: new Histogram({
      name: 'memory_persistence_duration_seconds',
      help: 'Time of a write with its commit',
      labelNames: ['operation', 'status'],
      buckets: seconds,
      registers,
    }),
    indexLag: new Gauge({ name: 'memory_index_lag_seconds', help: 'From commit to indexed, of the last batch', registers }),
    modelCoverage: new Gauge({
      name: 'embedding_model_coverage',
      help: 'Share of the vectors that a model has, as the job reembed last counted it',
      labelNames: ['model', 'use'],
      registers,
    }),
    vectorMissing: new Gauge({ name: 'vector_index_missing', help: 'Vectors that the last check found missing', labelNames: ['model'], registers }),
    vectorStale: new Gauge({ name: 'vector_index_stale', help: 'Vectors of other versions than the present ones that the last check found', labelNames: ['model'], registers }),
    vectorRepaired: new Gauge({ name: 'vector_index_repaired', help: 'How many of these it mended', labelNames: ['model'], registers }),
    vectorCheckAge: new Gauge({ name: 'vector_index_check_age_seconds', help: 'Time since the last check of all vectors', labelNames: ['model'], registers }),
    vectorFailures: new Counter({ name: 'vector_put_failures_total', help: 'Vectors that could not be written', registers }),
    journalPending: new Gauge({ name: 'journal_pending', help: 'Appends in the journal that are not stored yet', registers }),
    journalOldest: new Gauge({ name: 'journal_oldest_seconds', help: 'Age of the oldest of these', registers }),
    journalBytes: new Gauge({ name: 'journal_bytes', help: 'Size of the journal', registers }),
    journalFailed: new Gauge({ name: 'journal_failed', help: 'Appends that could not be stored and wait for an operator', registers }),
    certificateExpires: new Gauge({
      name: 'certificate_expires_seconds',
      help: 'Time until the certificate that a dependency shows expires, the soonest of its servers',
      labelNames: ['dependency'],
      registers,
    }),
    secretAge: new Gauge({ name: 'secret_age_seconds', help: 'Time since a secret that is fetched by ARN got its present value', labelNames: ['secret'], registers }),
    statusUp: new Gauge({ name: 'status_up', help: '1: the handler status has read the database for these metrics', labelNames: ['handler'], registers }),
    recoveryAge: new Gauge({
      name: 'recovery_age_seconds',
      help: 'Time since the instant of the newest good backup, and since that of the newest proved one; where there was none, since one was first due',
      labelNames: ['kind'],
      registers,
    }),
    recoveryEvery: new Gauge({ name: 'recovery_every_seconds', help: 'How often a backup, a drill is due; 0: never by itself', labelNames: ['kind'], registers }),
    recoveryLooked: new Gauge({ name: 'recovery_looked_seconds', help: 'Time since the scheduled job last looked whether one is due', labelNames: ['kind'], registers }),
    recoveryOk: new Gauge({ name: 'recovery_last_ok', help: '1 where the last backup, the last drill succeeded, else 0', labelNames: ['kind'], registers }),
    drillRpo: new Gauge({ name: 'drill_rpo_seconds', help: 'What would have been lost at the last drill', registers }),
    drillRto: new Gauge({ name: 'drill_rto_seconds', help: 'How long the last drill took to restore and examine', registers }),
    auditUnsealed: new Gauge({ name: 'audit_unsealed_age_seconds', help: 'The oldest that an audit row without a place in its chain can be', registers }),
    dbWriteLatency: new Histogram({ name: 'db_write_latency_seconds', help: 'Time of a write transaction', buckets: seconds, registers }),
  }
  // unknown until there was a drill, and not 0
  for (const unknown of [metrics.drillRpo, metrics.drillRto]) unknown.set(Number.NaN)
  metrics.outboxPending.set({ tenant: 'default' }, 0)
  metrics.outboxDead.set({ tenant: 'default' }, 0)
  metrics.walLag.set({ tenant: 'default' }, 0)
  const fills: (() => void)[] = []
  return {
    ...metrics,
    /** What is read when somebody looks. */
    beforeScrape: (fill: () => void) => void fills.push(fill),
    text() {
      for (const fill of fills) fill()
      return registry.metrics()
    },
    samples() {
      for (const fill of fills) fill()
      return registry.getMetricsAsJSON()
    },
    contentType: registry.contentType,
  }
}

type Backlog = { tenant: string; pending: number; dead: number; oldestSeconds: number }

/** Keeps the first (busiest) tenants apart and folds the rest, so that the label never grows without bound. */
export function foldTenants(rows: Backlog[]): Backlog[] {
  const sorted = rows.toSorted((a, b) => b.pending - a.pending || b.dead - a.dead)
  const rest = sorted.slice(maxTenantLabels)
  if (!rest.length) return sorted
  const sum = (figure: 'pending' | 'dead') => rest.reduce((total, row) => total + row[figure], 0)
  const other = { tenant: 'other', pending: sum('pending'), dead: sum('dead'), oldestSeconds: Math.max(...rest.map((row) => row.oldestSeconds)) }
  return [...sorted.slice(0, maxTenantLabels), other]
}

/** Times a write with its commit, whether it ends well or not, and traces it. */
export async function observeWrite<T>(metrics: Metrics, operation: string, write: () => Promise<T>): Promise<T> {
  const started = performance.now()
  let status = 'error'
  try {
    const result = await traced(`postgresql ${operation}`, { kind: 'client', attributes: { 'db.system.name': 'postgresql', 'db.operation.name': operation } }, write)
    status = 'ok'
    return result
  } finally {
    const seconds = (performance.now() - started) / 1000
    metrics.persistence.observe({ operation, status }, seconds)
    metrics.dbWriteLatency.observe(seconds)
  }
}
