import type { Metrics } from './metrics.ts'
import { sloMethods, slos } from './slos.ts'

type Unit = 'Count' | 'Seconds' | 'None'
type Samples = readonly { name: string; values: readonly { value: number; labels: Partial<Record<string, string | number>>; metricName?: string }[] }[]
/** One document of the embedded metric format: some figures under the same dimensions. */
type Told = { dimensions: Record<string, string>; figures: Record<string, number> }

/** What processes count: told as what was added since the last time. */
const counters = ['consumer_messages_consumed_total', 'consumer_process_failure_total', 'dead_letters_total', 'requests_limited_total', 'vector_put_failures_total']
/** What the database knows, and so only who has just read it; of many tenants or models the worst, or the sum. */
const worst = ['memory_wal_lag_seconds', 'outbox_dead', 'status_up', 'audit_unsealed_age_seconds']
const soonest = ['certificate_expires_seconds']
/** Whoever changes one of these has more to do than to change it: they may be old. */
export const mayBeOld = ['SIGNING_KEY', 'BACKUP_KEY']
const summed = ['outbox_pending']
/** Under the dimension `kind`: backup or drill. */
const ofRecovery = ['recovery_age_seconds', 'recovery_every_seconds', 'recovery_looked_seconds', 'recovery_last_ok']

export type Emf = {
  /** The lines to write since the last call. With `measured` the process has just read the database for its gauges, and they are told too. */
  lines(now: number, measured: boolean): Promise<string[]>
}

/**
 * The metrics that alarms of CloudWatch need, in its embedded metric format: lines of a log that CloudWatch makes metrics of. Few of them and with few dimensions, as each combination is paid by the
 * month. Of each promise: `requests`, `requests_failed` (5xx), `requests_slow`. Source: the Embedded Metric Format specification in the CloudWatch user guide.
 */
export function createEmf({ samples }: Pick<Metrics, 'samples'>, namespace: string): Emf {
  let before: Record<string, number> = {}
  return {
    async lines(now, measured) {
      const all = (await samples()) as Samples
      const totals = { ...totalsOfPromises(all), ...Object.fromEntries(counters.map((name) => [`/${name}`, sumOf(all, name)])) }
      const added = Object.entries(totals).flatMap(([key, total]) => (total > (before[key] ?? 0) ? [[key, total - (before[key] ?? 0)] as const] : []))
      before = totals
      const told = [...byDimension('slo', added), ...(measured ? gaugesOf(all) : []), ...lagOf(all, added)]
      return told.filter(({ figures }) => Object.keys(figures).length).map((one) => documentOf(one, namespace, now))
    },
  }
}

/** Keys are `<slo>/<figure>`; without one before the slash, of no promise. */
function byDimension(name: string, figures: readonly (readonly [string, number])[]): Told[] {
  const groups = Map.groupBy(figures, ([key]) => key.slice(0, key.indexOf('/')))
  return [...groups].map(([value, ones]) => ({
    dimensions: value ? { [name]: value } : {},
    figures: Object.fromEntries(ones.map(([key, figure]) => [key.slice(key.indexOf('/') + 1), figure])),
  }))
}

function totalsOfPromises(all: Samples): Record<string, number> {
  const totals: Record<string, number> = {}
  for (const { name, endpoints, withinSeconds } of slos) {
    const isOf = ({ labels }: { labels: Partial<Record<string, string | number>> }) => endpoints.includes(String(labels.endpoint)) && sloMethods.includes(String(labels.method))
    const asked = valuesOf(all, 'api_requests_total').filter(isOf)
    const latencies = valuesOf(all, 'api_request_latency_seconds').filter(isOf)
    const counted = total(latencies.filter(({ metricName }) => metricName?.endsWith('_count')))
    const fast = total(latencies.filter(({ metricName, labels }) => metricName?.endsWith('_bucket') && labels.le === withinSeconds))
    totals[`${name}/requests`] = total(asked)
    totals[`${name}/requests_failed`] = total(asked.filter(({ labels }) => String(labels.status).startsWith('5')))
    totals[`${name}/requests_slow`] = counted - fast
  }
  return totals
}

function gaugesOf(all: Samples): Told[] {
  const figures: Record<string, number> = {}
  for (const name of worst) for (const { value } of valuesOf(all, name)) figures[name] = Math.max(figures[name] ?? value, value)
  for (const name of soonest) for (const { value } of valuesOf(all, name)) figures[name] = Math.min(figures[name] ?? value, value)
  const ages = valuesOf(all, 'secret_age_seconds').filter(({ labels }) => !mayBeOld.includes(String(labels.secret)))
  if (ages.length) figures.secret_age_seconds = Math.max(...ages.map(({ value }) => value))
  for (const name of summed) figures[name] = sumOf(all, name)
  const unmended = valuesOf(all, 'vector_index_missing').map(({ labels }) => {
    const [missing = 0, stale = 0, repaired = 0] = ['missing', 'stale', 'repaired'].map((what) =>
      total(valuesOf(all, `vector_index_${what}`).filter((one) => one.labels.model === labels.model)),
    )
    return missing + stale - repaired
  })
  if (unmended.length) figures.vector_index_unmended = Math.max(...unmended)
  figures.dependency_open = Math.max(
    0,
    ...valuesOf(all, 'dependency_breaker_state')
      .filter(({ labels }) => labels.state === 'open')
      .map(({ value }) => value),
  )
  const recovery = ofRecovery.flatMap((name) => valuesOf(all, name).map(({ labels, value }) => [`${labels.kind}/${name}`, value] as const))
  return [{ dimensions: {}, figures }, ...byDimension('kind', recovery)]
}

/** The lag of what was just indexed: a process that took no record knows none. */
function lagOf(all: Samples, added: readonly (readonly [string, number])[]): Told[] {
  if (!added.some(([key]) => key === '/consumer_messages_consumed_total')) return []
  const lag = sumOf(all, 'memory_index_lag_seconds')
  return lag > 0 ? [{ dimensions: {}, figures: { memory_index_lag_seconds: lag } }] : []
}

const valuesOf = (all: Samples, name: string) => all.find((one) => one.name === name)?.values ?? []
const total = (values: readonly { value: number }[]): number => values.reduce((sum, { value }) => sum + value, 0)
const sumOf = (all: Samples, name: string): number => total(valuesOf(all, name))

function documentOf({ dimensions, figures }: Told, namespace: string, now: number): string {
  const Metrics = Object.keys(figures).map((name) => ({ Name: name, Unit: unitOf(name) }))
  return JSON.stringify({ _aws: { Timestamp: now, CloudWatchMetrics: [{ Namespace: namespace, Dimensions: [Object.keys(dimensions)], Metrics }] }, ...dimensions, ...figures })
}

function unitOf(name: string): Unit {
  if (name.endsWith('_seconds')) return 'Seconds'
  return ['status_up', 'recovery_last_ok', 'dependency_open'].includes(name) ? 'None' : 'Count'
}
