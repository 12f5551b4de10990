import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { alerts, slos } from '../../functions/alerts.ts'
import { alertGroups } from '../../local/alerts.ts'
import { stepsOf } from '../../local/dashboards/figure.ts'
import { dashboards, renderedFiles } from '../../local/dashboards/render.ts'
import { labelsOfSeries, registered, sampleSeries } from '../support/exposition.ts'
import { runbookAnchors } from '../support/runbook.ts'
import { requireService } from '../support/services.ts'

const folder = 'docs/grafana'
type Target = { refId: string; expr: string; legendFormat: string; datasource: { uid: string } }
type Panel = {
  id: number
  type: string
  title: string
  description: string
  gridPos: { x: number; w: number }
  links: { url: string }[]
  targets: Target[]
  fieldConfig: { defaults: { unit: string; thresholds: { steps: { value: number | null; color: string }[] } } }
}
type Variable = { name: string; type: string; query: string }
type Rendered = { uid: string; panels: Panel[]; templating: { list: Variable[] } }

const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
const rendered = files.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Rendered)
const panels = rendered.flatMap(({ uid, panels: all }) =>
  all.filter(({ type }) => type !== 'row' && type !== 'text').map((panel) => ({ ...panel, place: `${uid}: ${panel.title}` })),
)
const targets = panels.flatMap(({ place, targets: all }) => all.map((target) => ({ ...target, place: `${place} ${target.refId}` })))
const figures = dashboards.flatMap(({ rows }) => rows.flatMap((row) => row.figures))
const variables = rendered.flatMap(({ templating }) => templating.list)

/** Metrics that no panel asks for, and why. */
const unseen: Record<string, string> = {
  db_write_latency_seconds: 'the times of memory_persistence_duration_seconds once more, without its labels, under a name that operators know',
}

describe('the dashboards', () => {
  test('are the committed docs/grafana: after a change run `npx node local/dashboards/render.ts`', () => {
    const all = renderedFiles()
    expect(readdirSync(folder).sort()).toEqual(Object.keys(all).sort())
    for (const [name, text] of Object.entries(all)) expect(readFileSync(join(folder, name), 'utf8') === text, name).toBe(true)
  })

  test('have the uids that links know, and leave it to whoever looks where the metrics and the runbook are', () => {
    expect(rendered.map(({ uid }) => uid).sort()).toEqual(['soma-backup', 'soma-pipeline', 'soma-service', 'soma-tenant'])
    for (const { templating } of rendered)
      expect(templating.list.map(({ name, type }) => `${name} ${type}`)).toEqual(expect.arrayContaining(['datasource datasource', 'runbook textbox']))
    const uids = files.flatMap((name) => [...readFileSync(join(folder, name), 'utf8').matchAll(/"uid": "([^"]*)"/g)].map(([, uid = '']) => uid))
    expect(new Set(uids.filter((uid) => !uid.startsWith('soma-')))).toEqual(new Set(['$' + '{datasource}']))
  })

  test('say in each panel what it shows, in which unit, and where its colours change', () => {
    expect(panels.length).toBe(figures.length)
    for (const { place, title, description, gridPos, targets: all, fieldConfig } of panels) {
      expect([place, title.length > 2, description.length > 20, all.length > 0, gridPos.x + gridPos.w <= 24]).toEqual([place, true, true, true, true])
      expect([place, fieldConfig.defaults.unit]).toEqual([place, expect.stringMatching(/^\w+$/)])
      const [base, ...steps] = fieldConfig.defaults.thresholds.steps
      expect([place, base?.value]).toEqual([place, null])
      expect(steps.map(({ value }) => value)).toEqual(steps.map(({ value }) => value).toSorted((a, b) => Number(a) - Number(b)))
    }
    for (const { panels: all } of rendered) expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
  })

  test('lead to chapters of the runbook that are there', () => {
    const anchors = runbookAnchors()
    for (const { place, links } of panels)
      for (const { url } of links) expect([place, url.startsWith('$' + '{runbook:raw}#'), anchors.includes(url.replace(/.*#/, ''))]).toEqual([place, true, true])
  })

  test('show what every alert is about', () => {
    const named = alertGroups().flatMap(({ rules }) => rules.flatMap((rule) => ('alert' in rule ? [rule.alert] : [])))
    expect([...new Set(figures.flatMap((figure) => figure.alerts ?? []))].sort()).toEqual(named.sort())
  })

  test('take their limits from the alerts and the promises: page is red, ticket orange', () => {
    const limits = figures.filter((figure) => figure.alerts && !figure.steps && stepsOf(figure).length).map((figure) => [figure.alerts?.[0], stepsOf(figure)])
    expect(Object.fromEntries(limits)).toEqual({
      SomaOutboxOld: [{ from: 300, color: 'red' }],
      SomaOutboxDead: [{ from: 0.001, color: 'orange' }],
      SomaConsumerLag: [{ from: 10_000, color: 'orange' }],
      SomaConsumerFails: [{ from: 0.001, color: 'orange' }],
      SomaDeadLetters: [{ from: 0.001, color: 'orange' }],
      SomaIndexLag: [{ from: 60, color: 'orange' }],
      SomaVectorsDiffer: [{ from: 0.001, color: 'orange' }],
      SomaAuditUnsealed: [{ from: 900, color: 'orange' }],
      SomaJournalWaits: [{ from: 3_600, color: 'red' }],
      SomaJournalFailed: [{ from: 0.001, color: 'orange' }],
      SomaBackupJobGone: [{ from: 7_200, color: 'orange' }],
    })
    for (const { runbook, withinSeconds } of slos) {
      const times = panels.filter(({ title, links }) => title.endsWith(': time to answer') && links.some(({ url }) => url.endsWith(runbook)))
      expect(times.flatMap(({ fieldConfig }) => fieldConfig.defaults.thresholds.steps.map(({ value }) => value))).toContain(withinSeconds)
    }
    expect(alerts.length).toBeGreaterThan(Object.keys(limits).length)
  })
})

/** The names of an expression's series, and the labels that it chooses or groups by. */
function mentioned(expr: string): { series: string[]; labels: string[] } {
  const groups = [...expr.matchAll(/\b(?:by|on|without) \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/, */)).filter(Boolean)
  const labels = [...expr.matchAll(/(\w+)(?:=~|!=|!~|=)"/g)].map(([, label = '']) => label).filter((label) => label !== '__name__')
  const [, alternatives = ''] = /__name__=~"([^"]*)"/.exec(expr) ?? []
  const bare = expr.replaceAll(/\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without) \([^)]*\)/g, '')
  const series = [...bare.matchAll(/[a-z_:][\w:]*\b(?!\s*\()/gi)].map(([name]) => name).filter((name) => !['or', 'and', 'bool'].includes(name))
  return { series: [...series, ...alternatives.split('|').filter(Boolean)], labels: [...groups, ...labels] }
}

const choices = variables.flatMap(({ type, query }) => {
  const [, series = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(query) ?? []
  return type === 'query' ? [{ place: `variable ${label}`, expr: `count by (${label}) (${series})`, legendFormat: `{{${label}}}` }] : []
})
const asked = [...targets, ...choices]

describe('what they ask for', () => {
  const recorded = alertGroups().flatMap(({ rules }) => rules.flatMap((rule) => ('record' in rule ? [[rule.record, []] as [string, string[]]] : [])))
  const known = new Map<string, string[]>([...labelsOfSeries(), ...recorded, ['ALERTS', ['alertname', 'alertstate', 'severity']]])

  test.each(asked)('$place: metrics and labels that this version tells', ({ expr, legendFormat }) => {
    const { series, labels } = mentioned(expr)
    expect(series.length).toBeGreaterThan(0)
    expect(series.filter((name) => !known.has(name))).toEqual([])
    const possible = series.flatMap((name) => known.get(name) ?? [])
    expect(labels.filter((label) => !possible.includes(label))).toEqual([])
    expect([...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label).filter((label) => !labels.includes(label ?? ''))).toEqual([])
  })

  test('is every metric, but for those that have a reason', () => {
    const seen = new Set(asked.flatMap(({ expr }) => mentioned(expr).series.map((name) => name.replace(/_(bucket|count|sum)$/, ''))))
    const names = registered().map(({ name }) => name)
    expect(names.length).toBeGreaterThan(30)
    expect(names.filter((name) => !seen.has(name)).sort()).toEqual(Object.keys(unseen).sort())
  })
})

/** As Grafana would send it. */
const sent = (expr: string) =>
  expr
    .replaceAll('$__rate_interval', '5m')
    .replaceAll('$__range', '1h')
    .replaceAll(/\$(?:endpoint|tenant)\b/g, '.*')

const promtool = requireService('PROMTOOL_PATH')
describe.skipIf(!promtool)(`their queries in promtool${promtool ? '' : ' (skipped: no PROMTOOL_PATH)'}`, () => {
  let home: string
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'soma-dashboards-'))
  })
  afterAll(() => rmSync(home, { recursive: true, force: true }))
  function run(what: string[], name: string, content: object) {
    const path = join(home, name)
    writeFileSync(path, JSON.stringify(content))
    const { status, stdout, stderr } = spawnSync(promtool as string, [...what, path], { encoding: 'utf8' })
    return { status, said: `${stdout}${stderr}` }
  }
  const evaluated = (name: string, series: Record<string, string>, minutes: number, expected: { expr: string; exp_samples: { labels: string; value: number }[] }[]) =>
    run(['test', 'rules'], name, {
      rule_files: [resolve('docs/alerts.yaml')],
      group_eval_order: alertGroups().map((group) => group.name),
      evaluation_interval: '5m',
      tests: [
        {
          interval: '1m',
          input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
          promql_expr_test: expected.map((one) => ({ ...one, eval_time: `${minutes}m` })),
        },
      ],
    })

  test('are PromQL that Prometheus takes', () => {
    const rules = asked.map(({ expr }, at) => ({ record: `query:${at}`, expr: sent(expr) }))
    const { status, said } = run(['check', 'rules', '--lint=none'], 'rules.json', { groups: [{ name: 'queries', rules }] })
    expect({ status, said }).toEqual({ status: 0, said: expect.stringContaining(`SUCCESS: ${rules.length} rules found`) })
  })

  test('each find something, and no NaN, where every metric is told', async () => {
    // NaN is not even equal to itself
    const expected = asked.map(({ expr }) => ({ expr: `count((${sent(expr)}) == (${sent(expr)})) > bool 0`, exp_samples: [{ labels: '{}', value: 1 }] }))
    const { status, said } = evaluated('all.json', await sampleSeries(120), 120, expected)
    expect(status, said).toBe(0)
  })

  test('tell what is left of a budget, how fast it burns, and the worst state of a breaker', () => {
    const stores = 'endpoint="/v1/memories",method="POST"'
    const series: Record<string, string> = {
      [`api_requests_total{${stores},status="201"}`]: '0+9995x400',
      [`api_requests_total{${stores},status="503"}`]: '0+5x400',
      [`api_request_latency_seconds_count{${stores}}`]: '0+10000x400',
      [`api_request_latency_seconds_bucket{${stores},le="0.75"}`]: '0+9600x400',
      'dependency_breaker_state{dependency="embedder",state="open"}': '1x400',
      'dependency_breaker_state{dependency="embedder",state="half_open"}': '0x400',
      'dependency_breaker_state{dependency="broker",state="open"}': '0x400',
      'dependency_breaker_state{dependency="broker",state="half_open"}': '1x400',
      'dependency_breaker_state{dependency="redis",state="open"}': '0x400',
      'dependency_breaker_state{dependency="redis",state="half_open"}': '0x400',
    }
    const of = (title: string) => targets.filter(({ place }) => place.startsWith(`soma-service: ${title}`))
    const figure = (title: string, legend: string, value: number) => {
      const expr = of(title).find(({ legendFormat }) => legendFormat.startsWith(legend))?.expr
      return { expr: `round(${sent(expr ?? '')}, 0.001)`, exp_samples: [{ labels: '{}', value }] }
    }
    const { status, said } = evaluated('values.json', series, 400, [
      figure('Stores: what is left', 'not answered 5xx', 0.5),
      figure('Stores: what is left', 'fast enough', 0.2),
      figure('Stores: how fast', 'failed, 6h', 0.5),
      figure('Stores: how fast', 'slow, 1h', 0.8),
      {
        expr: sent(of('Breakers of dependencies')[0]?.expr ?? ''),
        exp_samples: Object.entries({ embedder: 2, broker: 1, redis: 0 }).map(([dependency, value]) => ({ labels: `{dependency="${dependency}"}`, value })),
      },
    ])
    expect(status, said).toBe(0)
  })
})

const decoder = requireService('GRAFANA_DECODER_PATH')
describe.skipIf(!decoder)(`Grafana's own types${decoder ? '' : ' (skipped: no GRAFANA_DECODER_PATH)'}`, () => {
  const read = (...paths: string[]) => spawnSync(decoder as string, paths, { encoding: 'utf8' })

  test('read every dashboard, strictly', () => {
    const { status, stderr } = read(...files.map((name) => join(folder, name)))
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test.each(['"templating": {', '"gridPos": {', '"fieldConfig": {', '"defaults": {', '"custom": {', '"reduceOptions": {', '"targets": [\n        {'])(
    'refuse a field that they have not, in %s',
    (place) => {
      const home = mkdtempSync(join(tmpdir(), 'soma-decoder-'))
      const path = join(home, 'wrong.json')
      const text = readFileSync(join(folder, 'service.json'), 'utf8')
      expect(text).toContain(place)
      writeFileSync(path, text.replace(place, `${place} "colour": "mauve",`))
      const { status, stderr } = read(path)
      rmSync(home, { recursive: true })
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('colour') })
    },
  )
})
