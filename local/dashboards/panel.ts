/** Grafana's panels of our figures, by its own builders. */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  BigValueColorMode,
  BigValueGraphMode,
  type DataSourceRef,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  ReduceDataOptionsBuilder,
  SortOrder,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  type DashboardLink,
  DashboardLinkBuilder,
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  type Panel,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder, PromQueryFormat, QueryEditorMode } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as StatesBuilder } from '@grafana/grafana-foundation-sdk/statetimeline'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as LinesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import { chaptersOf, type Figure, type Names, type Query, type Step, stepsOf } from './figure.ts'

/** Chosen by whoever looks: no installation has the same. */
export const datasource: DataSourceRef = { type: 'prometheus', uid: '$' + '{datasource}' }
/** Where docs/runbook.md can be read is a variable of the dashboard too. */
const runbook = '$' + '{runbook:raw}'
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'

export const panelOf = (figure: Figure, id: number): Builder<Panel> => makers[figure.kind](figure, id)

const makers: Record<Figure['kind'], (figure: Figure, id: number) => Builder<Panel>> = {
  lines: (figure, id) =>
    shared(new LinesBuilder(), figure, id, 8)
      .min(0)
      .fillOpacity(0)
      .showPoints(VisibilityMode.Never)
      .thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(stepsOf(figure).length ? GraphThresholdsStyleMode.Dashed : GraphThresholdsStyleMode.Off))
      .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic))
      .legend(new VizLegendOptionsBuilder().showLegend(true))
      .tooltip(tooltip()),
  number: (figure, id) =>
    shared(new StatBuilder(), figure, id, 8)
      .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
      .colorMode(BigValueColorMode.Value)
      .graphMode(BigValueGraphMode.None)
      .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds)),
  states: (figure, id) =>
    shared(new StatesBuilder(), figure, id, 8)
      .mappings(mappingsOf(figure.names ?? {}))
      .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
      .showValue(VisibilityMode.Never)
      .legend(new VizLegendOptionsBuilder().showLegend(true))
      .tooltip(tooltip()),
  // a frame a query, with its label and a column `Value #A`: put together, and called by their legends
  table: (figure, id) => {
    const columns = figure.queries.map(({ legend, unit }, at) => ({ from: `Value #${letters[at]}`, legend, unit }))
    const table = shared(new TableBuilder(), figure, id, 10)
      .targets(figure.queries.map((query, at) => queryOf(query, at, true).format(PromQueryFormat.Table)))
      .withTransformation({ id: 'merge', options: {} })
      .withTransformation({ id: 'organize', options: { excludeByName: { Time: true }, renameByName: Object.fromEntries(columns.map(({ from, legend }) => [from, legend])) } })
    for (const { legend, unit } of columns) if (unit) table.overrideByName(legend, [{ id: 'unit', value: unit }])
    return table
  },
}

/** What all panels have. */
function shared<T extends LinesBuilder | StatBuilder | StatesBuilder | TableBuilder>(builder: T, figure: Figure, id: number, height: number): T {
  builder
    .id(id)
    .title(figure.title)
    .description(figure.description)
    .datasource(datasource)
    .unit(figure.unit)
    .targets(figure.queries.map((query, at) => queryOf(query, at, query.once)))
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(thresholdsOf(stepsOf(figure))))
    .span(figure.width)
    .height(height)
    .links(chaptersOf(figure).map((chapter) => linkOf(new DashboardLinkBuilder(`Runbook: ${chapter.replaceAll('-', ' ')}`).url(`${runbook}#${chapter}`).targetBlank(true))))
  return builder
}

/** Grafana's own default would be red above 80, whatever is shown. */
function thresholdsOf(steps: readonly Step[]): { value: number | null; color: string }[] {
  const base = steps[0]?.from === null ? [] : [{ value: null, color: 'green' }]
  return [...base, ...steps.map(({ from, color }) => ({ value: from, color }))]
}

function queryOf({ expr, legend }: Query, at: number, once = false): DataqueryBuilder {
  const query = new DataqueryBuilder()
    .refId(letters[at] ?? '')
    .datasource(datasource)
    .expr(expr)
    .legendFormat(legend)
    .editorMode(QueryEditorMode.Code)
  return once ? query.instant() : query.range()
}

function mappingsOf(names: Names): ValueMapping[] {
  const options = Object.fromEntries(Object.entries(names).map(([value, { text, color }], index) => [value, { text, color, index }]))
  return [{ type: MappingType.ValueToText, options }]
}

const tooltip = () => new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending)

/** In sight: the builder would put it into a menu. */
export const linkOf = (link: Builder<DashboardLink>): Builder<DashboardLink> => ({
  build() {
    const { placement: _, ...rest } = link.build()
    return rest
  },
})
