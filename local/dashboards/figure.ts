/** What a panel shows, as data; panel.ts makes Grafana's panels of it. */
import { alertGroups } from '../alerts.ts'

export type Query = {
  /** PromQL. */
  expr: string
  /** The name of a line: text, and labels as `{{label}}`. Of a table it is the column's. */
  legend: string
  /** Of a table's column, where it is another than the panel's. */
  unit?: string
  /** It is asked for the end of the shown time only: what looks back for days is not asked for each point. */
  once?: boolean
}

/** `null`: from the lowest value on; green where no step is. */
export type Step = { from: number | null; color: Color }
export type Color = 'green' | 'orange' | 'red'
/** What a value is called, and its colour. */
export type Names = Record<number, { text: string; color: Color }>

export type Figure = {
  kind: 'lines' | 'number' | 'states' | 'table'
  title: string
  /** In plain words: what it is, and what it means where it is bad. */
  description: string
  /** Grafana's id of it. */
  unit: string
  queries: Query[]
  /** The alerts that look at it: the first one's limit becomes its threshold, all their chapters its links. */
  alerts?: string[]
  /** The chapter of docs/runbook.md where no alert leads to it, as its anchor. */
  chapter?: string
  /** Where its colour changes, for what no alert compares with a number: green below the first. */
  steps?: Step[]
  names?: Names
  /** Of 24 columns. */
  width: number
}

export type Row = { title: string; figures: Figure[] }

export type Dashboard = {
  uid: string
  title: string
  description: string
  /** How far back it looks unless somebody says otherwise: `6h`, `30d`. */
  since: string
  /** A label that it can be narrowed to, and the series that tell its values. */
  variable?: { label: string; series: string }
  /** Markdown that stands below all. */
  note?: string
  rows: Row[]
}

type AlertRule = { severity: string; chapter: string; expr: string }
const rules = new Map<string, AlertRule>(
  alertGroups()
    .flatMap(({ rules: all }) => all)
    .flatMap((rule) =>
      'alert' in rule ? [[rule.alert, { severity: rule.labels.severity ?? '', chapter: (rule.annotations.runbook ?? '').replace(/.*#/, ''), expr: rule.expr }] as const] : [],
    ),
)

/** @throws Error when there is no such alert */
export function alertRule(name: string): AlertRule {
  const rule = rules.get(name)
  if (!rule) throw new Error(`A panel names the alert ${name}, which is not there.`)
  return rule
}

/** The two sides of an alert's first `>`: what it watches, and the limit, a number or PromQL. @throws Error for an alert that compares in no such way */
export function sidesOf(name: string): { watched: string; limit: string } {
  const [, watched, limit] = /^(.+?) > (.+?)(?: (?:and|or) .*)?$/.exec(alertRule(name).expr) ?? []
  if (!watched || !limit) throw new Error(`The alert ${name} has no limit that could be shown.`)
  return { watched, limit }
}

/** What an alert watches, so that its panel shows the same. */
export const watched = (name: string): string => sidesOf(name).watched

/** Red from where somebody gets up, orange from where somebody looks within the day. */
export const colorOf = (severity: string): Color => (severity === 'page' ? 'red' : 'orange')

/** The steps of a figure: its own, or the first alert's limit where that is a number. A step begins at its value and an alert fires above its limit, which of 0 makes a difference. */
export function stepsOf({ steps, alerts: [first] = [] }: Figure): Step[] {
  if (steps) return steps
  if (!first || !alertRule(first).expr.includes(' > ')) return []
  const limit = Number(sidesOf(first).limit)
  return Number.isNaN(limit) ? [] : [{ from: limit || 0.001, color: colorOf(alertRule(first).severity) }]
}

/** The chapters of the runbook that a figure leads to, each once. */
export const chaptersOf = ({ alerts = [], chapter }: Figure): string[] => [...new Set([...alerts.map((name) => alertRule(name).chapter), ...(chapter ? [chapter] : [])])]
