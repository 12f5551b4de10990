import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { alerts, slos } from '../../functions/alerts.ts'
import { alertGroups, alertsText } from '../../local/alerts.ts'
import { createMetrics } from '../../shared/telemetry/index.ts'
import { runbookAnchors } from '../support/runbook.ts'
import { requireService } from '../support/services.ts'

const file = 'docs/alerts.yaml'
type Rule = { record?: string; alert?: string; expr: string; labels?: Record<string, string>; annotations?: Record<string, string> }
const rules = (parse(readFileSync(file, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules)
const alerting = rules.filter((rule): rule is Rule & { alert: string } => rule.alert !== undefined)

describe('the alerts', () => {
  test('are the committed docs/alerts.yaml: after a change run `npx node local/alerts.ts`', () => {
    expect(readFileSync(file, 'utf8') === alertsText()).toBe(true)
  })

  test('have names of their own, a severity, a summary, and a chapter of the runbook that is there', () => {
    const anchors = runbookAnchors()
    expect(new Set(alerting.map(({ alert }) => alert)).size).toBe(alerting.length)
    for (const { alert, labels, annotations } of alerting) {
      expect([alert, labels?.severity]).toEqual([alert, expect.stringMatching(/^(page|ticket)$/)])
      expect(annotations?.summary?.length).toBeGreaterThan(20)
      const [path, anchor] = annotations?.runbook?.split('#') ?? []
      expect([alert, path, anchors.includes(anchor ?? '')]).toEqual([alert, 'docs/runbook.md', true])
    }
  })

  test('ask for metrics that this version tells, with their labels, and for buckets that are there', async () => {
    const metrics = createMetrics()
    const told = new Set(
      [...(await metrics.text()).matchAll(/^# TYPE (\S+) (\S+)/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' ? ['_bucket', '_count', '_sum'].map((end) => name + end) : [name],
      ),
    )
    const recorded = new Set(rules.flatMap(({ record }) => record ?? []))
    for (const { expr } of rules) {
      const names = expr.replaceAll(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, '').match(/[a-z_][a-z_:0-9]*/g) ?? []
      const words = 'sum rate or and on vector max min by increase absent absent_over_time max_over_time tenant group topic partition component consumer dependency model secret'
      const known = new Set(words.split(' '))
      for (const name of names) if (!known.has(name)) expect([name, told.has(name) || recorded.has(name)]).toEqual([name, true])
    }
    metrics.apiLatency.observe({ endpoint: 'x', method: 'POST' }, 1)
    const text = await metrics.text()
    for (const { withinSeconds } of slos) expect(text).toContain(`api_request_latency_seconds_bucket{le="${withinSeconds}",endpoint="x",method="POST"}`)
  })
})

/** Input of a test of promtool: a minute a value, in the longest cases ten. */
type Series = Record<string, string>
const well: Series = { 'status_up{handler="status"}': '1x10000', 'recovery_looked_seconds{kind="backup"}': '100x10000' }
const constant = (value: number, minutes = 200) => `${value}x${minutes}`
/** So many requests a minute to an endpoint, of which a share fails and a share takes longer than a second. */
function traffic(endpoint: string, { failed = 0, slow = 0, minutes = 200, perMinute = 10_000, step = 1 }): Series {
  const rising = (a: number) => `0+${a * step}x${minutes / step}`
  const labels = `endpoint="${endpoint}",method="POST"`
  return {
    [`api_requests_total{${labels},status="200"}`]: rising(perMinute * (1 - failed)),
    [`api_requests_total{${labels},status="503"}`]: rising(perMinute * failed),
    [`api_request_latency_seconds_count{${labels}}`]: rising(perMinute),
    ...Object.fromEntries([0.5, 0.75].map((le) => [`api_request_latency_seconds_bucket{${labels},le="${le}"}`, rising(perMinute * (1 - slow))])),
  }
}
const threeDays = 4_400
const recovery = (kind: string, age: number, every: number): Series => ({
  [`recovery_age_seconds{kind="${kind}"}`]: constant(age),
  [`recovery_every_seconds{kind="${kind}"}`]: constant(every),
})

/** What is there, and which alerts fire at the end of it: each has a case in which it fires, and one just short of that in which it does not. */
const cases: { name: string; series: Series; minutes?: number; fires: string[] }[] = [
  { name: 'all is well', series: { ...traffic('/v1/memories', {}), ...traffic('/v1/recall', {}) }, fires: [] },
  { name: 'no traffic at all', series: {}, fires: [] },
  { name: '2 % of the stores fail', series: traffic('/v1/memories', { failed: 0.02 }), fires: ['SomaStoreFails', 'SomaStoreFailsSlowly'] },
  {
    name: '0.15 % of the stores fail for three days',
    series: traffic('/v1/memories/bulk', { failed: 0.0015, minutes: threeDays, step: 10 }),
    minutes: threeDays,
    fires: ['SomaStoreFailsSlowly'],
  },
  { name: '0.08 % of the stores fail for three days', series: traffic('/v1/memories', { failed: 0.0008, minutes: threeDays, step: 10 }), minutes: threeDays, fires: [] },
  { name: 'three quarters of the stores are slow', series: traffic('/store', { slow: 0.75 }), fires: ['SomaStoreSlow', 'SomaStoreSlowSlowly'] },
  { name: 'one of five stores an hour fails', series: traffic('/v1/memories', { failed: 0.2, perMinute: 5 / 60 }), fires: [] },
  { name: '4 % of the stores are slow', series: traffic('/v1/memories', { slow: 0.04 }), fires: [] },
  { name: '1 % of the recalls fail', series: traffic('/v1/recall', { failed: 0.01 }), fires: ['SomaRecallFails', 'SomaRecallFailsSlowly'] },
  {
    name: '6 % of the recalls are slow for three days',
    series: traffic('/recall', { slow: 0.06, minutes: threeDays, step: 10 }),
    minutes: threeDays,
    fires: ['SomaRecallSlowSlowly'],
  },
  { name: 'all recalls are slow', series: traffic('/v1/recall', { slow: 0.9 }), fires: ['SomaRecallSlow', 'SomaRecallSlowSlowly'] },
  { name: 'nothing is scraped', series: { 'status_up{handler="status"}': '1x20 stale' }, fires: ['SomaNotScraped'] },
  { name: 'events wait for six minutes', series: { 'memory_wal_lag_seconds{tenant="acme"}': constant(360) }, fires: ['SomaOutboxOld'] },
  { name: 'events wait for four minutes', series: { 'memory_wal_lag_seconds{tenant="acme"}': constant(240) }, fires: [] },
  { name: 'an event is dead', series: { 'outbox_dead{tenant="acme"}': constant(1) }, fires: ['SomaOutboxDead'] },
  { name: 'none is dead', series: { 'outbox_dead{tenant="acme"}': constant(0) }, fires: [] },
  {
    name: 'vectors come two minutes later',
    series: { memory_index_lag_seconds: constant(120), 'consumer_messages_consumed_total{topic="t"}': '0+5x200' },
    fires: ['SomaIndexLag'],
  },
  {
    name: 'vectors came two minutes later, and nothing was stored since',
    series: { memory_index_lag_seconds: constant(120), 'consumer_messages_consumed_total{topic="t"}': constant(5) },
    fires: [],
  },
  { name: 'vectors come half a minute later', series: { memory_index_lag_seconds: constant(30) }, fires: [] },
  {
    name: 'a consumer is behind',
    series: Object.fromEntries([0, 1].map((p) => [`consumer_lag{topic="memory.events",partition="${p}",group="g"}`, constant(6_000)])),
    fires: ['SomaConsumerLag'],
  },
  { name: 'a consumer is a little behind', series: { 'consumer_lag{topic="memory.events",partition="0",group="g"}': constant(6_000) }, fires: [] },
  { name: 'records fail again and again', series: { 'consumer_process_failure_total{component="index-vectors"}': '0+1x200' }, fires: ['SomaConsumerFails'] },
  { name: 'records failed once', series: { 'consumer_process_failure_total{component="index-vectors"}': '0 0 5x200' }, fires: [] },
  { name: 'a dead letter', series: { 'dead_letters_total{consumer="project-events"}': '0x170 1x30' }, fires: ['SomaDeadLetters'] },
  { name: 'a dead letter of yesterday', series: { 'dead_letters_total{consumer="project-events"}': '0 1x200' }, fires: [] },
  { name: 'the embedder is away', series: { 'dependency_breaker_state{dependency="embedder",state="open"}': constant(1) }, fires: ['SomaBreakerOpen'] },
  { name: 'the embedder is back', series: { 'dependency_breaker_state{dependency="embedder",state="open"}': '1x100 0x100' }, fires: [] },
  {
    name: 'vectors are missing',
    series: { 'vector_index_missing{model="m"}': constant(3), 'vector_index_stale{model="m"}': constant(0), 'vector_index_repaired{model="m"}': constant(2) },
    fires: ['SomaVectorsDiffer'],
  },
  {
    name: 'vectors were missing and are mended',
    series: { 'vector_index_missing{model="m"}': constant(3), 'vector_index_stale{model="m"}': constant(0), 'vector_index_repaired{model="m"}': constant(3) },
    fires: [],
  },
  { name: 'audit rows are not sealed for twenty minutes', series: { audit_unsealed_age_seconds: constant(1_200) }, fires: ['SomaAuditUnsealed'] },
  { name: 'audit rows are not sealed for ten minutes', series: { audit_unsealed_age_seconds: constant(600) }, fires: [] },
  { name: 'the journal is two hours old', series: { journal_oldest_seconds: constant(7_200) }, fires: ['SomaJournalWaits'] },
  { name: 'the journal is a minute old', series: { journal_oldest_seconds: constant(60) }, fires: [] },
  { name: 'an append failed', series: { journal_failed: constant(1) }, fires: ['SomaJournalFailed'] },
  { name: 'no append failed', series: { journal_failed: constant(0) }, fires: [] },
  { name: 'the backup is two days old', series: recovery('backup', 172_800, 86_400), fires: ['SomaBackupOld'] },
  { name: 'the backup is a day old', series: recovery('backup', 90_000, 86_400), fires: [] },
  { name: 'the backup is old, and none is ever due', series: recovery('backup', 1_000_000, 0), fires: [] },
  {
    name: 'the job of the backups is gone',
    series: { 'recovery_looked_seconds{kind="backup"}': '100+60x400', ...recovery('backup', 90_000, 86_400) },
    minutes: 300,
    fires: ['SomaBackupJobGone'],
  },
  { name: 'the job of the backups was never there', series: { 'recovery_looked_seconds{kind="backup"}': 'stale' }, fires: ['SomaBackupJobGone'] },
  { name: 'backups fail', series: { 'recovery_last_ok{kind="backup"}': constant(0) }, fires: ['SomaBackupFailed'] },
  { name: 'a backup failed and the next did not', series: { 'recovery_last_ok{kind="backup"}': '1x50 0x30 1x120' }, fires: [] },
  { name: 'the drill failed', series: { 'recovery_last_ok{kind="drill"}': constant(0) }, fires: ['SomaDrillFailed'] },
  { name: 'the drill succeeded', series: { 'recovery_last_ok{kind="drill"}': constant(1) }, fires: [] },
  { name: 'nothing was proved for three weeks', series: recovery('drill', 1_814_400, 604_800), fires: ['SomaDrillOld'] },
  { name: 'a certificate expires in thirteen days', series: { 'certificate_expires_seconds{dependency="redis"}': constant(13 * 86_400) }, fires: ['SomaCertificateExpires'] },
  { name: 'a certificate expires in fifteen days', series: { 'certificate_expires_seconds{dependency="redis"}': constant(15 * 86_400) }, fires: [] },
  {
    name: 'a certificate expires tomorrow',
    series: { 'certificate_expires_seconds{dependency="database"}': constant(86_400) },
    fires: ['SomaCertificateExpires', 'SomaCertificateExpiresNow'],
  },
  { name: 'a password is older than a year', series: { 'secret_age_seconds{secret="POSTGRES_URL"}': constant(366 * 86_400) }, fires: ['SomaSecretOld'] },
  { name: 'a password is almost a year old', series: { 'secret_age_seconds{secret="POSTGRES_URL"}': constant(364 * 86_400) }, fires: [] },
  { name: 'the key of backups is older than a year', series: { 'secret_age_seconds{secret="BACKUP_KEY"}': constant(366 * 86_400) }, fires: [] },
  { name: 'the last proof is a week old', series: recovery('drill', 604_800, 604_800), fires: [] },
]

const promtool = requireService('PROMTOOL_PATH')
describe.skipIf(!promtool)(`the rules in promtool${promtool ? '' : ' (skipped: no PROMTOOL_PATH)'}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'soma-alerts-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const run = (...args: string[]) => spawnSync(promtool as string, args, { encoding: 'utf8' })

  test('are rules that Prometheus takes', () => {
    const { status, stdout, stderr } = run('check', 'rules', file)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain(`SUCCESS: ${rules.length} rules found`)
  })

  test('every alert has a case in which it fires', () => {
    expect([...new Set(cases.flatMap(({ fires }) => fires))].sort()).toEqual(alerting.map(({ alert }) => alert).sort())
    expect(alerts.length).toBeLessThan(alerting.length)
  })

  test.each(cases)('$name: $fires', ({ name, series, minutes = 190, fires }) => {
    const path = join(folder, `${name.replaceAll(/\W/g, '-')}.json`)
    const firing = {
      expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
      eval_time: `${minutes}m`,
      exp_samples: fires.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 })),
    }
    const input_series = Object.entries({ ...well, ...series }).map(([one, values]) => ({ series: one, values }))
    writeFileSync(
      path,
      JSON.stringify({
        rule_files: [resolve(file)],
        // by chance unless it is said, and what is recorded is looked at five minutes back at most
        group_eval_order: alertGroups().map((group) => group.name),
        evaluation_interval: minutes > 300 ? '10m' : '5m',
        tests: [{ interval: minutes > 300 ? '10m' : '1m', input_series, promql_expr_test: [firing] }],
      }),
    )
    const { status, stdout, stderr } = run('test', 'rules', path)
    expect(status, `${stdout}${stderr}`).toBe(0)
  })
})
