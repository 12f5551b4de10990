import { slos } from '../../functions/alerts.ts'
import type { Dashboard, Figure, Row } from './figure.ts'
import { now, promiseOf } from './promises.ts'
import { breakerNames, breakerState, percentile, perSecond, quantiles } from './queries.ts'

const chosen = 'endpoint=~"$endpoint"'
const failing = (range: string) =>
  `sum by (endpoint) (rate(api_requests_total{${chosen},status=~"5.."}[${range}])) / sum by (endpoint) (rate(api_requests_total{${chosen}}[${range}]))`
const latency = (quantile: number, range: string) => `histogram_quantile(${quantile}, sum by (le, endpoint) (rate(api_request_latency_seconds_bucket{${chosen}}[${range}])))`

const requests: Row = {
  title: 'Requests',
  figures: [
    {
      kind: 'lines',
      title: 'Requests by endpoint',
      description: 'Answered requests a second, whatever the answer.',
      unit: 'reqps',
      queries: [{ expr: `sum by (endpoint) (${perSecond(`api_requests_total{${chosen}}`)})`, legend: '{{endpoint}}' }],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Answers by status',
      description: '402 and 429 are limits and quotas, 5xx are ours. 503 with a journal that is full, or without one, is a database that is away.',
      unit: 'reqps',
      queries: [{ expr: `sum by (status) (${perSecond(`api_requests_total{${chosen}}`)})`, legend: '{{status}}' }],
      chapter: 'stores-or-recalls-fail-or-are-slow',
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Share answered 5xx',
      description: 'Of the requests to each endpoint. One that failed none has no line.',
      unit: 'percentunit',
      queries: [{ expr: failing('$__rate_interval'), legend: '{{endpoint}}' }],
      chapter: 'stores-or-recalls-fail-or-are-slow',
      width: 8,
    },
    {
      kind: 'table',
      title: 'By endpoint',
      description: 'Requests a second, the share answered 5xx, and the time within which half, 95 % and 99 % were answered, over all of the time that is shown.',
      unit: 's',
      queries: [
        { expr: `sum by (endpoint) (rate(api_requests_total{${chosen}}[$__range]))`, legend: 'requests', unit: 'reqps' },
        { expr: failing('$__range'), legend: '5xx', unit: 'percentunit' },
        ...quantiles.map((quantile) => ({ expr: latency(quantile, '$__range'), legend: percentile(quantile) })),
      ],
      width: 24,
    },
  ],
}

const times: Row = {
  title: 'Time to answer',
  figures: quantiles.map(
    (quantile): Figure => ({
      kind: 'lines',
      title: `${percentile(quantile)} by endpoint`,
      description: `${quantile * 100} % of the requests to each endpoint are answered within so long.`,
      unit: 's',
      queries: [{ expr: latency(quantile, '$__rate_interval'), legend: '{{endpoint}}' }],
      chapter: 'stores-or-recalls-fail-or-are-slow',
      width: 8,
    }),
  ),
}

const limits: Row = {
  title: 'Limits and breakers',
  figures: [
    {
      kind: 'lines',
      title: 'Requests refused by a limit',
      description: 'By the limit that refused them: of the key, of the tenant, of batches.',
      unit: 'reqps',
      queries: [{ expr: `sum by (limit) (${perSecond('requests_limited_total')})`, legend: '{{limit}}' }],
      chapter: 'limits',
      width: 6,
    },
    {
      kind: 'lines',
      title: 'Answers 402 and 429',
      description: '402: a quota is used up. 429: a rate limit refused it, or on stores the quota of the day.',
      unit: 'reqps',
      queries: [{ expr: `sum by (endpoint, status) (${perSecond(`api_requests_total{${chosen},status=~"402|429"}`)})`, legend: '{{endpoint}} {{status}}' }],
      chapter: 'limits',
      width: 6,
    },
    {
      kind: 'states',
      title: 'Breakers of dependencies',
      description:
        'Open: it failed, and is not asked for a while. Half open: one call finds out whether it is back. The worst that any process has seen; without calls it stays as it was last seen.',
      unit: 'short',
      queries: [{ expr: breakerState('dependency_breaker_state', 'dependency'), legend: '{{dependency}}' }],
      alerts: ['SomaBreakerOpen'],
      names: breakerNames,
      width: 8,
    },
    {
      kind: 'number',
      title: 'Tenants with an open breaker',
      description: 'Tenants for which something fails that is called outside of the process. Which: the dashboard of the tenants.',
      unit: 'short',
      queries: [{ expr: 'count(max by (tenant) (circuit_breaker_state{state="open"}) == 1) or vector(0)', legend: 'tenants' }],
      chapter: 'a-breaker-is-open',
      steps: [{ from: 1, color: 'orange' }],
      width: 4,
    },
  ],
}

const writes: Row = {
  title: 'Writes to the database',
  figures: [
    ...quantiles.slice(1).map(
      (quantile): Figure => ({
        kind: 'lines',
        title: `Time of a write, ${percentile(quantile)}`,
        description: `${quantile * 100} % of the writes take so long with their commit, by what is written. Where stores are slow and this is not, look at the embedder, the limits and the network instead.`,
        unit: 's',
        queries: [{ expr: `histogram_quantile(${quantile}, sum by (le, operation) (${perSecond('memory_persistence_duration_seconds_bucket')}))`, legend: '{{operation}}' }],
        chapter: 'stores-or-recalls-fail-or-are-slow',
        width: 8,
      }),
    ),
    {
      kind: 'lines',
      title: 'Writes that ended in an error',
      description: 'By what was written. Those that were refused are among them, such as a wrong version or a quota.',
      unit: 'wps',
      queries: [{ expr: `sum by (operation) (${perSecond('memory_persistence_duration_seconds_count{status="error"}')})`, legend: '{{operation}}' }],
      chapter: 'stores-or-recalls-fail-or-are-slow',
      width: 8,
    },
  ],
}

const day = 86_400
const keys: Row = {
  title: 'Certificates and secrets',
  figures: [
    {
      kind: 'lines',
      title: 'Time until a certificate expires',
      description: 'Of what each dependency shows, the soonest of its servers; read once an hour. One that is spoken to without TLS has no line.',
      unit: 's',
      queries: [{ expr: 'min by (dependency) (certificate_expires_seconds)', legend: '{{dependency}}' }],
      alerts: ['SomaCertificateExpires', 'SomaCertificateExpiresNow'],
      steps: [
        { from: null, color: 'red' },
        { from: 2 * day, color: 'orange' },
        { from: 14 * day, color: 'green' },
      ],
      width: 12,
    },
    {
      kind: 'lines',
      title: 'Age of secrets',
      description: 'Since each secret that is fetched by ARN got its present value. SIGNING_KEY and BACKUP_KEY may be old.',
      unit: 's',
      queries: [{ expr: 'max by (secret) (secret_age_seconds)', legend: '{{secret}}' }],
      alerts: ['SomaSecretOld'],
      steps: [{ from: 365 * day, color: 'orange' }],
      width: 12,
    },
  ],
}

export const service: Dashboard = {
  uid: 'soma-service',
  title: 'Soma: service',
  description: 'What callers get: whether the promises hold, and for each endpoint how much is asked, how much of it fails, and how long it takes.',
  since: '6h',
  variable: { label: 'endpoint', series: 'api_requests_total' },
  rows: [now, ...slos.map(promiseOf), requests, times, limits, writes, keys],
}
