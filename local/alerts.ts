/** Keeps docs/alerts.yaml, the rules for Prometheus, equal to functions/alerts.ts: `node local/alerts.ts` rewrites it, `--check` exits 1 when it differs. */
import { readFileSync, writeFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { type Alert, alerts, budgetOf, burns, type Kind, kinds, leastBad, type Slo, slos } from '../functions/alerts.ts'

const file = new URL('../docs/alerts.yaml', import.meta.url)
const runbook = 'docs/runbook.md'
const windows = [...new Set(burns.flatMap(({ long, short }) => [short, long]))]

type Rule = { record: string; expr: string } | { alert: string; expr: string; for?: string; labels: Record<string, string>; annotations: Record<string, string> }

/** The rule file. The shares of requests that failed or were slow are recorded for each window; the alerts compare those. */
export function alertsText(): string {
  const head = '# Rules for Prometheus, made of functions/alerts.ts by `node local/alerts.ts`. What to do about each: docs/runbook.md.\n'
  return `${head}${stringify({ groups: alertGroups() }, { lineWidth: 0 })}`
}

export function alertGroups(): { name: string; rules: Rule[] }[] {
  const shares = slos.flatMap((slo) =>
    windows.flatMap((window) => [
      ...kinds.map((kind) => ({ record: shareName(slo, kind, window), expr: shareOf(slo, kind, window) })),
      { record: countName(slo, window), expr: `sum(increase(api_requests_total{${matchersOf(slo)}}[${window}]))` },
    ]),
  )
  const budgets = slos.flatMap((slo) => kinds.flatMap((kind) => (['page', 'ticket'] as const).map((severity) => burnAlert(slo, kind, severity))))
  return [
    { name: 'soma-shares', rules: shares },
    { name: 'soma-promises', rules: budgets.map(ruleOf) },
    { name: 'soma', rules: alerts.map(ruleOf) },
  ]
}

/** Which requests a promise is about. */
export const matchersOf = ({ endpoints }: Slo): string => `endpoint=~"${endpoints.join('|')}",method=~"GET|POST"`
const countName = ({ name }: Slo, window: string) => `soma:${name}:requests_${window}`
/** The recorded share of the requests that failed or were slow, for a window of `burns`. */
export const shareName = ({ name }: Slo, kind: Kind, window: string): string => `soma:${name}_${kind}:share_${window}`

/** The same, asked of the metrics themselves, for any window. */
export function shareOf(slo: Slo, kind: Kind, window: string): string {
  const rate = (metric: string, more = '') => `sum(rate(${metric}{${matchersOf(slo)}${more}}[${window}]))`
  if (kind === 'failed') return `(${rate('api_requests_total', ',status=~"5.."')} or vector(0)) / ${rate('api_requests_total')}`
  return `1 - ${rate('api_request_latency_seconds_bucket', `,le="${slo.withinSeconds}"`)} / ${rate('api_request_latency_seconds_count')}`
}

function burnAlert(slo: Slo, kind: Kind, severity: Alert['severity']): Alert {
  const budget = budgetOf(slo, kind)
  const over = (window: string, factor: number) => `${shareName(slo, kind, window)} > ${Number((factor * budget).toPrecision(6))}`
  const expr = burns
    .filter((one) => one.severity === severity)
    .map(({ long, short, factor }) => `(${over(long, factor)} and ${over(short, factor)} and ${shareName(slo, kind, long)} * ${countName(slo, long)} >= ${leastBad})`)
    .join(' or ')
  const title = slo.name === 'store' ? 'Store' : 'Recall'
  const what = kind === 'failed' ? `fail (promised: ${slo.available * 100} % do not)` : `take longer than ${slo.withinSeconds} s (promised: ${slo.fast * 100} % do not)`
  return {
    name: `Soma${title}${kind === 'failed' ? 'Fails' : 'Slow'}${severity === 'page' ? '' : 'Slowly'}`,
    expr,
    forMinutes: 2,
    severity,
    summary: `{{ $value | humanizePercentage }} of the ${slo.name}s ${what}: at this rate the budget of thirty days is gone ${severity === 'page' ? 'in days' : 'before they are over'}.`,
    runbook: slo.runbook,
  }
}

function ruleOf({ name, expr, forMinutes, severity, summary, runbook: anchor }: Alert): Rule {
  return { alert: name, expr, ...(forMinutes ? { for: `${forMinutes}m` } : {}), labels: { severity }, annotations: { summary, runbook: `${runbook}#${anchor}` } }
}

function main(check: boolean): number {
  const after = alertsText()
  let before = ''
  try {
    before = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  if (before === after) return 0
  if (check) {
    console.error('docs/alerts.yaml differs from functions/alerts.ts: run `npx node local/alerts.ts`.')
    return 1
  }
  writeFileSync(file, after)
  return 0
}

if (import.meta.main) process.exitCode = main(process.argv.includes('--check'))
