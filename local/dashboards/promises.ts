import { budgetOf, burns, kinds, type Severity, type Slo } from '../../functions/alerts.ts'
import { matchersOf, shareName, shareOf } from '../alerts.ts'
import { colorOf, type Row } from './figure.ts'
import { percentile, perSecond, quantiles } from './queries.ts'

const fires = (more = '') => `ALERTS{alertname=~"Soma.+",alertstate="firing"${more}}`

export const now: Row = {
  title: 'Now',
  figures: [
    {
      kind: 'number',
      title: 'Alerts that fire',
      description: 'How many of docs/alerts.yaml fire now. A page is for getting up, a ticket for the working day.',
      unit: 'short',
      queries: (['page', 'ticket'] as const).map((severity) => ({ expr: `count(${fires(`,severity="${severity}"`)}) or vector(0)`, legend: severity })),
      steps: [{ from: 1, color: 'red' }],
      chapter: 'alerts',
      width: 6,
    },
    {
      kind: 'states',
      title: 'What fires',
      description: 'Which alerts fired when. No data: none did.',
      unit: 'short',
      queries: [{ expr: `max by (alertname) (${fires()})`, legend: '{{alertname}}' }],
      names: { 1: { text: 'fires', color: 'red' } },
      chapter: 'alerts',
      width: 12,
    },
    {
      kind: 'number',
      title: 'Processes that tell',
      description: 'Processes of the handler status that have read the database for their metrics. Without any, most of what is on these dashboards stands still.',
      unit: 'short',
      queries: [{ expr: 'count(status_up == 1) or vector(0)', legend: 'status' }],
      alerts: ['SomaNotScraped'],
      steps: [
        { from: null, color: 'red' },
        { from: 1, color: 'green' },
      ],
      width: 6,
    },
  ],
}

const titles: Record<Slo['name'], string> = { store: 'Stores', recall: 'Recalls' }
const words = { failed: 'not answered 5xx', slow: 'fast enough' }
const alertsOf = (slo: Slo) => ['Fails', 'Slow', 'FailsSlowly', 'SlowSlowly'].map((end) => `Soma${titles[slo.name].slice(0, -1)}${end}`)
const lowest = (severity: Severity) => Math.min(...burns.filter((one) => one.severity === severity).map(({ factor }) => factor))

export const promiseOf = (slo: Slo): Row => ({
  title: `${titles[slo.name]}: ${slo.available * 100} % are not answered 5xx, ${slo.fast * 100} % are answered within ${slo.withinSeconds} s`,
  figures: [
    {
      kind: 'number',
      title: `${titles[slo.name]}: what is left of the budget`,
      description: `Of the requests that may fail, and of those that may take longer than ${slo.withinSeconds} s, within thirty days: the share that is left. Below 0 the promise is broken.`,
      unit: 'percentunit',
      queries: kinds.map((kind) => ({ expr: `1 - (${shareOf(slo, kind, '30d')}) / ${budgetOf(slo, kind)}`, legend: words[kind], once: true })),
      steps: [
        { from: null, color: 'red' },
        { from: 0, color: 'green' },
      ],
      chapter: slo.runbook,
      width: 6,
    },
    {
      kind: 'lines',
      title: `${titles[slo.name]}: how fast the budget burns`,
      description:
        'At 1 the budget of thirty days lasts thirty days, at 2 fifteen. Each line is a window; an alert fires where it and a shorter one are above its limit. The shares come from the rules of docs/alerts.yaml: without them there is no data.',
      unit: 'short',
      queries: burns.flatMap(({ severity, long, factor }) =>
        kinds.map((kind) => ({ expr: `${shareName(slo, kind, long)} / ${budgetOf(slo, kind)}`, legend: `${kind}, ${long} (${severity} above ${factor})` })),
      ),
      alerts: alertsOf(slo),
      steps: (['ticket', 'page'] as const).map((severity) => ({ from: lowest(severity), color: colorOf(severity) })),
      width: 9,
    },
    {
      kind: 'lines',
      title: `${titles[slo.name]}: time to answer`,
      description: `Half, 95 % and 99 % of them are answered within so long. ${slo.fast * 100} % shall be within ${slo.withinSeconds} s.`,
      unit: 's',
      queries: quantiles.map((quantile) => ({
        expr: `histogram_quantile(${quantile}, sum by (le) (${perSecond(`api_request_latency_seconds_bucket{${matchersOf(slo)}}`)}))`,
        legend: percentile(quantile),
      })),
      alerts: alertsOf(slo),
      steps: [{ from: slo.withinSeconds, color: 'orange' }],
      width: 9,
    },
  ],
})
