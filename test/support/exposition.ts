import { Counter, Gauge, Histogram } from 'prom-client'
import { createMetrics } from '../../shared/telemetry/index.ts'

/** A value, or some, for every label there is. */
const values: Record<string, readonly string[]> = {
  component: ['index-vectors'],
  consumer: ['project-events'],
  dependency: ['embedder'],
  endpoint: ['/v1/memories', '/v1/recall', '/v1/memories/:id'],
  group: ['soma.index-vectors'],
  handler: ['status'],
  kind: ['backup', 'drill'],
  limit: ['tenant'],
  method: ['GET', 'POST'],
  model: ['m'],
  operation: ['store'],
  partition: ['0', '1'],
  secret: ['POSTGRES_URL'],
  state: ['closed', 'half_open', 'open'],
  status: ['200', '402', '503', 'error'],
  tenant: ['acme', 'default'],
  topic: ['memory.events'],
  use: ['searched'],
}

type Described = (Counter | Gauge | Histogram) & { name: string; labelNames: string[] }
export const isMetric = (one: unknown): one is Described => one instanceof Counter || one instanceof Gauge || one instanceof Histogram

/** Every metric of the registry, with its labels. */
export const registered = () => Object.values(createMetrics()).filter(isMetric)

/** By the name of a series: the labels it can have. */
export function labelsOfSeries(): Map<string, string[]> {
  return new Map(
    registered().flatMap((metric): [string, string[]][] =>
      metric instanceof Histogram
        ? [
            [`${metric.name}_bucket`, [...metric.labelNames, 'le']],
            [`${metric.name}_count`, metric.labelNames],
            [`${metric.name}_sum`, metric.labelNames],
          ]
        : [[metric.name, metric.labelNames]],
    ),
  )
}

/** What a scrape tells when everything has been counted once, as input of a test of promtool: counters rise, gauges stay. */
export async function sampleSeries(minutes: number): Promise<Record<string, string>> {
  const metrics = createMetrics()
  const gauges = new Set<string>()
  for (const metric of Object.values(metrics).filter(isMetric)) {
    if (metric instanceof Gauge) gauges.add(metric.name)
    for (const labels of combinations(metric.labelNames)) {
      if (metric instanceof Counter) metric.inc(labels, 10)
      else if (metric instanceof Gauge) metric.set(labels, 1)
      else metric.observe(labels, 0.3)
    }
  }
  const lines = (await metrics.text()).split('\n').filter((line) => line && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const [, series = '', value = ''] = /^(.*) (\S+)$/.exec(line) ?? []
      return [series, gauges.has(series.replace(/\{.*/, '')) ? `${value}x${minutes}` : `0+${value}x${minutes}`]
    }),
  )
}

const combinations = (labels: readonly string[]): Record<string, string>[] =>
  labels.reduce<Record<string, string>[]>((all, label) => all.flatMap((one) => (values[label] ?? []).map((value) => ({ ...one, [label]: value }))), [{}])
