/** Keeps docs/grafana, the dashboards for Grafana, equal to the figures here: `node local/dashboards/render.ts` rewrites it, `--check` exits 1 when it differs. */
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  type Dashboard as GrafanaDashboard,
  QueryVariableBuilder,
  RowBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { PanelBuilder as TextBuilder, TextMode } from '@grafana/grafana-foundation-sdk/text'
import { keepRendered } from '../rendered-folder.ts'
import { backup } from './backup.ts'
import type { Dashboard } from './figure.ts'
import { datasource, linkOf, panelOf } from './panel.ts'
import { pipeline } from './pipeline.ts'
import { service } from './service.ts'
import { tenant } from './tenant.ts'

/** Until somebody says in the dashboard where theirs is. */
const runbook = 'https://git.example.com/soma-memory/blob/main/docs/runbook.md'
const tag = 'soma'

export const dashboards: readonly Dashboard[] = [service, pipeline, tenant, backup]

/** The dashboard as Grafana takes it. Panels are numbered in their order: a link to one leads there as long as none is put before it. */
export function grafanaDashboard({ uid, title, description, since, variable, note, rows }: Dashboard): GrafanaDashboard {
  const dashboard = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([tag])
    .time({ from: `now-${since}`, to: 'now' })
    .refresh('1m')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(linkOf(new DashboardLinkBuilder('Soma').type(DashboardLinkType.Dashboards).tags([tag]).keepTime(true).includeVars(true)))
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').description('Where the metrics of Soma are.').type('prometheus'))
  if (variable) dashboard.withVariable(choiceOf(variable))
  dashboard.withVariable(
    new TextBoxVariableBuilder('runbook')
      .label('Runbook')
      .description("Where docs/runbook.md can be read: the panels' links lead there.")
      .defaultValue(runbook)
      .current({ text: runbook, value: runbook }),
  )
  let id = 0
  for (const row of rows) {
    id += 1
    dashboard.withRow(new RowBuilder(row.title).id(id))
    for (const figure of row.figures) {
      id += 1
      dashboard.withPanel(panelOf(figure, id))
    }
  }
  if (note)
    dashboard.withPanel(
      new TextBuilder()
        .id(id + 1)
        .title('What is not here')
        .mode(TextMode.Markdown)
        .content(note)
        .span(24)
        .height(5),
    )
  return dashboard.build()
}

function choiceOf({ label, series }: { label: string; series: string }): QueryVariableBuilder {
  const query = `label_values(${series}, ${label})`
  return new QueryVariableBuilder(label)
    .label(label)
    .datasource(datasource)
    .query(query)
    .definition(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ text: ['All'], value: ['$__all'] })
}

/** The text of each file. */
export function renderedFiles(): Record<string, string> {
  return Object.fromEntries(dashboards.map((one) => [`${one.uid.replace('soma-', '')}.json`, `${JSON.stringify(grafanaDashboard(one), null, 2)}\n`]))
}

if (import.meta.main) {
  const rendered = { folder: 'docs/grafana', files: renderedFiles(), source: 'local/dashboards', program: 'local/dashboards/render.ts' }
  process.exitCode = keepRendered(rendered, process.argv.includes('--check'))
}
