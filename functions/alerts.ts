/** What wakes somebody, as pure data: the rules for Prometheus are made of it (docs/alerts.yaml), and the tests hold it to the metrics and to the runbook. */

import { mayBeOld, type Slo, slos } from '../shared/telemetry/index.ts'

export { type Slo, slos }

/** `page`: somebody gets up. `ticket`: somebody looks within the working day. */
export type Severity = 'page' | 'ticket'
/**
 * The same for CloudWatch, on what handlers tell there (shared/telemetry/emf.ts): it is raised while the figure is above, of one metric or of an expression over several. `kind` is their dimension.
 * Where nothing is told for as long: `missing`, or all is well.
 */
export type Alarm = {
  metrics: Record<string, string>
  expression?: string
  kind?: 'backup' | 'drill'
  above: number
  statistic: 'Maximum' | 'Minimum' | 'Sum'
  minutes?: number
  missing?: true
}
export type Alert = {
  name: string
  /** PromQL; it fires where this has a value. */
  expr: string
  /** Only when it holds for so long. */
  forMinutes: number
  severity: Severity
  summary: string
  /** A heading of docs/runbook.md, as its anchor. */
  runbook: string
  /** Absent where a stack on AWS has nothing of the kind, or measures it otherwise (lib/alarms). */
  alarm?: Alarm
}

/**
 * How fast an error budget of thirty days burns, in a long window and still in a short one. A page at 14.4 times (2 % of the budget in an hour) or 6 times (5 % in six hours), a ticket at 3 times
 * (10 % in a day) or once (10 % in three days). Source: The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
 */
export const burns: readonly { severity: Severity; long: string; short: string; factor: number }[] = [
  { severity: 'page', long: '1h', short: '5m', factor: 14.4 },
  { severity: 'page', long: '6h', short: '30m', factor: 6 },
  { severity: 'ticket', long: '1d', short: '2h', factor: 3 },
  { severity: 'ticket', long: '3d', short: '6h', factor: 1 },
]

/** What a request can be that uses up a budget. */
export const kinds = ['failed', 'slow'] as const
export type Kind = (typeof kinds)[number]

/** The share that may fail, or be slow. */
export const budgetOf = ({ available, fast }: Slo, kind: Kind): number => Number((1 - (kind === 'failed' ? available : fast)).toPrecision(6))

/** So many requests have to be bad before anybody is told: of few requests one is a large share. */
export const leastBad = 10

export const alerts: readonly Alert[] = [
  {
    name: 'SomaNotScraped',
    expr: 'absent_over_time(status_up[5m])',
    forMinutes: 5,
    severity: 'page',
    summary: 'No process of the handler status tells anything: it is down, its database is, or Prometheus does not reach it.',
    runbook: 'nothing-is-scraped',
    alarm: { metrics: { m: 'status_up' }, statistic: 'Minimum', above: 1, missing: true },
  },
  {
    name: 'SomaOutboxOld',
    expr: 'max by (tenant) (memory_wal_lag_seconds) > 300',
    forMinutes: 5,
    severity: 'page',
    summary: 'A change of the tenant {{ $labels.tenant }} has waited for {{ $value | humanizeDuration }} to be published.',
    runbook: 'outbox_pending-grows',
    alarm: { metrics: { m: 'memory_wal_lag_seconds' }, statistic: 'Maximum', above: 300 },
  },
  {
    name: 'SomaOutboxDead',
    expr: 'max by (tenant) (outbox_dead) > 0',
    forMinutes: 0,
    severity: 'ticket',
    summary: '{{ $value }} events of the tenant {{ $labels.tenant }} cannot be published.',
    runbook: 'rows-are-dead',
    alarm: { metrics: { m: 'outbox_dead' }, statistic: 'Maximum', above: 0 },
  },
  {
    name: 'SomaIndexLag',
    expr: 'max(memory_index_lag_seconds) > 60 and on () sum(rate(consumer_messages_consumed_total[10m])) > 0',
    forMinutes: 10,
    severity: 'ticket',
    summary: 'What is stored waits for {{ $value | humanizeDuration }} until it has a vector. Recall finds it by its words.',
    runbook: 'vectors-lag-behind',
    alarm: { metrics: { m: 'memory_index_lag_seconds' }, statistic: 'Maximum', above: 60, minutes: 5 },
  },
  {
    name: 'SomaConsumerLag',
    expr: 'sum by (group, topic) (max by (group, topic, partition) (consumer_lag)) > 10000',
    forMinutes: 15,
    severity: 'ticket',
    summary: 'The consumer group {{ $labels.group }} has {{ $value }} records of {{ $labels.topic }} before it.',
    runbook: 'vectors-lag-behind',
  },
  {
    name: 'SomaConsumerFails',
    expr: 'sum by (component) (increase(consumer_process_failure_total[10m])) > 0',
    forMinutes: 20,
    severity: 'ticket',
    summary: 'Event records fail in {{ $labels.component }} again and again.',
    runbook: 'vectors-lag-behind',
    alarm: { metrics: { m: 'consumer_process_failure_total' }, statistic: 'Sum', above: 0, minutes: 10 },
  },
  {
    name: 'SomaDeadLetters',
    expr: 'sum by (consumer) (increase(dead_letters_total[1h])) > 0',
    forMinutes: 0,
    severity: 'ticket',
    summary: '{{ $value }} records that can never be applied were put aside by {{ $labels.consumer }} within the hour.',
    runbook: 'there-are-dead-letters',
    alarm: { metrics: { m: 'dead_letters_total' }, statistic: 'Sum', above: 0, minutes: 60 },
  },
  {
    name: 'SomaBreakerOpen',
    expr: 'max by (dependency) (max_over_time(dependency_breaker_state{state="open"}[2m])) == 1',
    forMinutes: 5,
    severity: 'page',
    summary: '{{ $labels.dependency }} fails and is not asked any more. Recalls are degraded, or events wait.',
    runbook: 'a-breaker-is-open',
    alarm: { metrics: { m: 'dependency_open' }, statistic: 'Maximum', above: 0 },
  },
  {
    name: 'SomaVectorsDiffer',
    expr: 'max by (model) (vector_index_missing + vector_index_stale - vector_index_repaired) > 0',
    forMinutes: 0,
    severity: 'ticket',
    summary: 'The last check found {{ $value }} vectors of {{ $labels.model }} missing or out of date that it could not mend.',
    runbook: 'it-differs-from-postgres',
    alarm: { metrics: { m: 'vector_index_unmended' }, statistic: 'Maximum', above: 0 },
  },
  {
    name: 'SomaAuditUnsealed',
    expr: 'max(audit_unsealed_age_seconds) > 900',
    forMinutes: 0,
    severity: 'ticket',
    summary: 'Audit rows of the last {{ $value | humanizeDuration }} may have no place in their chain: until they have, nobody could tell if one were changed.',
    runbook: 'audit-rows-are-not-sealed',
    alarm: { metrics: { m: 'audit_unsealed_age_seconds' }, statistic: 'Maximum', above: 900 },
  },
  {
    name: 'SomaJournalWaits',
    expr: 'max(journal_oldest_seconds) > 3600',
    forMinutes: 0,
    severity: 'page',
    summary: 'An append has waited in the journal for {{ $value | humanizeDuration }}: it was answered 202 and is not stored yet.',
    runbook: 'the-journal-does-not-empty',
  },
  {
    name: 'SomaJournalFailed',
    expr: 'max(journal_failed) > 0',
    forMinutes: 0,
    severity: 'ticket',
    summary: '{{ $value }} appends of the journal could not be stored and wait for somebody.',
    runbook: 'appends-have-failed',
  },
  {
    name: 'SomaBackupJobGone',
    expr: 'min(recovery_looked_seconds{kind="backup"}) > 7200 or absent(recovery_looked_seconds{kind="backup"})',
    forMinutes: 120,
    severity: 'ticket',
    summary: 'The job keep-backups has not run for hours: no backup will be written.',
    runbook: 'a-backup-has-failed',
    alarm: { metrics: { m: 'recovery_looked_seconds' }, statistic: 'Minimum', above: 7200, kind: 'backup', missing: true },
  },
  {
    name: 'SomaBackupOld',
    // a try that failed is made good within two hours, and a full one may take its time
    expr: 'max(recovery_age_seconds{kind="backup"}) > 7200 + 1.5 * max(recovery_every_seconds{kind="backup"} > 0)',
    forMinutes: 0,
    severity: 'page',
    summary: 'The newest good backup is {{ $value | humanizeDuration }} old: so much would be lost now.',
    runbook: 'a-backup-has-failed',
    alarm: {
      metrics: { age: 'recovery_age_seconds', every: 'recovery_every_seconds' },
      expression: 'IF(every > 0, (age - 7200) / every, 0)',
      kind: 'backup',
      statistic: 'Maximum',
      above: 1.5,
    },
  },
  {
    name: 'SomaBackupFailed',
    expr: 'min(recovery_last_ok{kind="backup"}) == 0',
    forMinutes: 90,
    severity: 'ticket',
    summary: 'The last backup failed, and so did the next try.',
    runbook: 'a-backup-has-failed',
    alarm: { metrics: { ok: 'recovery_last_ok' }, expression: '1 - ok', kind: 'backup', statistic: 'Minimum', above: 0 },
  },
  {
    name: 'SomaDrillFailed',
    expr: 'min(recovery_last_ok{kind="drill"}) == 0',
    forMinutes: 0,
    severity: 'page',
    summary: 'The newest backup could not be proved: a restore of it is not what it was.',
    runbook: 'a-drill-has-failed',
    alarm: { metrics: { ok: 'recovery_last_ok' }, expression: '1 - ok', kind: 'drill', statistic: 'Minimum', above: 0 },
  },
  {
    name: 'SomaDrillOld',
    expr: 'max(recovery_age_seconds{kind="drill"}) > 2 * max(recovery_every_seconds{kind="drill"} > 0)',
    forMinutes: 0,
    severity: 'ticket',
    summary: 'No backup of the last {{ $value | humanizeDuration }} is proved.',
    runbook: 'a-drill-has-failed',
    alarm: {
      metrics: { age: 'recovery_age_seconds', every: 'recovery_every_seconds' },
      expression: 'IF(every > 0, age / every, 0)',
      kind: 'drill',
      statistic: 'Maximum',
      above: 2,
    },
  },
  {
    name: 'SomaCertificateExpires',
    expr: 'min by (dependency) (certificate_expires_seconds) < 14 * 86400',
    forMinutes: 0,
    severity: 'ticket',
    summary: 'The certificate of {{ $labels.dependency }} expires in {{ $value | humanizeDuration }}.',
    runbook: 'a-certificate-expires',
    alarm: { metrics: { left: 'certificate_expires_seconds' }, expression: '14 * 86400 - left', statistic: 'Minimum', above: 0 },
  },
  {
    name: 'SomaCertificateExpiresNow',
    expr: 'min by (dependency) (certificate_expires_seconds) < 2 * 86400',
    forMinutes: 0,
    severity: 'page',
    summary: 'The certificate of {{ $labels.dependency }} expires in {{ $value | humanizeDuration }}: then nobody connects to it any more.',
    runbook: 'a-certificate-expires',
    alarm: { metrics: { left: 'certificate_expires_seconds' }, expression: '2 * 86400 - left', statistic: 'Minimum', above: 0 },
  },
  {
    name: 'SomaSecretOld',
    expr: `max by (secret) (secret_age_seconds{secret!~"${mayBeOld.join('|')}"}) > 365 * 86400`,
    forMinutes: 0,
    severity: 'ticket',
    summary: 'The secret {{ $labels.secret }} has not been changed for {{ $value | humanizeDuration }}.',
    runbook: 'a-secret-is-old',
    alarm: { metrics: { m: 'secret_age_seconds' }, statistic: 'Maximum', above: 31_536_000 },
  },
]
