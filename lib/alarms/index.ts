import { Duration, NestedStack } from 'aws-cdk-lib'
import * as cw from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { Key } from 'aws-cdk-lib/aws-kms'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import type { Construct } from 'constructs'
import { type Alarm as AlarmForm, type Alert, alerts, type Severity } from '../../functions/alerts.ts'
import type { Handler } from '../handler.ts'
import type { Provided } from '../provided.ts'
import type { Settings, Stage } from '../settings.ts'
import { promiseAlarms } from './promises.ts'
import { type ServiceAlarm, serviceAlarms } from './services.ts'
import { Told } from './told.ts'

export type AlarmsProps = { stage: Stage; settings: Settings; key: Key; handlers: ReadonlyMap<string, Handler>; provided: Provided }

/** `missing`: whether no figure is as bad as a high one. */
type Added = Omit<ServiceAlarm, 'minutes'> & { periods: number; missing: boolean }

/** functions/alerts.ts as alarms of CloudWatch, those on the services that the stack makes, a topic for each severity, and a dashboard of all of it. A stack of its own within the stage's, which holds 500 resources at most. */
export class Alarms extends NestedStack {
  private readonly told: Told
  private readonly topics: Record<Severity, Topic>
  private readonly raised: cw.IAlarm[] = []

  constructor(scope: Construct, id: string, { stage, settings, key, handlers, provided }: AlarmsProps) {
    super(scope, id)
    this.told = new Told(stage)
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsTellTheirTopics',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
        resources: ['*'],
      }),
    )
    this.topics = { page: this.topic('Pages', key, settings), ticket: this.topic('Tickets', key, settings) }
    for (const alarm of serviceAlarms({ handlers: handlers.values(), provided, stage, rests: settings.rests })) this.ofService(alarm)
    // to be told each minute what the database knows would keep it awake
    if (settings.rests) return
    for (const handler of handlers.values()) handler.setVariable('METRICS_NAMESPACE', this.told.namespace)
    for (const { alarm, severity } of promiseAlarms(this, this.told)) this.raise(alarm, severity)
    this.dashboard(alerts.flatMap((alert) => (alert.alarm ? [this.ofAlert(alert, alert.alarm)] : [])))
  }

  private topic(id: string, key: Key, { alarmEmails }: Settings): Topic {
    const topic = new Topic(this, id, { displayName: `${this.told.prefix} ${id.toLowerCase()}`, masterKey: key, enforceSSL: true })
    topic.grantPublish(new ServicePrincipal('cloudwatch.amazonaws.com'))
    for (const address of alarmEmails) topic.addSubscription(new EmailSubscription(address))
    return topic
  }

  private raise(alarm: cw.AlarmBase, severity: Severity): void {
    const action = new SnsAction(this.topics[severity])
    alarm.addAlarmAction(action)
    alarm.addOkAction(action)
    this.raised.push(alarm)
  }

  /** Answers what it looks at, for the dashboard. */
  private ofAlert({ name, forMinutes, severity, runbook, summary }: Alert, form: AlarmForm): { title: string; metric: cw.IMetric; above: number } {
    const metric = this.figure(form)
    const { minutes = 1, above, missing = false } = form
    const title = name.replace(/^Soma/, '')
    const periods = Math.max(1, Math.round(forMinutes / minutes))
    // a template of Prometheus says nothing here
    this.add({ id: title, metric, above, periods, severity, summary: summary.replace(/\{\{.*?\}\}/g, '…'), runbook, missing })
    return { title, metric, above }
  }

  private figure({ metrics, expression, kind, statistic, minutes = 1 }: AlarmForm): cw.IMetric {
    const period = Duration.minutes(minutes)
    const usingMetrics = Object.fromEntries(
      Object.entries(metrics).map(([id, name]) => [id, this.told.metric({ name, statistic, period, ...(kind ? { dimensions: { kind } } : {}) })]),
    )
    if (expression) return new cw.MathExpression({ expression, usingMetrics, period })
    return Object.values(usingMetrics)[0] as cw.IMetric
  }

  private ofService({ id, metric, above, minutes, severity, summary, runbook }: ServiceAlarm): void {
    const seconds = metric instanceof cw.Metric ? metric.period.toSeconds() : 60
    this.add({ id, metric, above, periods: Math.max(1, Math.round((minutes * 60) / seconds)), severity, summary, runbook, missing: false })
  }

  private add({ id, metric, above, periods, severity, summary, runbook, missing }: Added): void {
    const alarm = new cw.Alarm(this, id, {
      alarmName: `${this.told.prefix}-${id}`,
      alarmDescription: `${summary} What to do: docs/runbook.md#${runbook}`,
      metric,
      threshold: above,
      comparisonOperator: cw.ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: periods,
      treatMissingData: missing ? cw.TreatMissingData.BREACHING : cw.TreatMissingData.NOT_BREACHING,
    })
    this.raise(alarm, severity)
  }

  private dashboard(graphs: { title: string; metric: cw.IMetric; above: number }[]): void {
    const of = (slo: string) => {
      const one = (name: string) => this.told.metric({ name, statistic: 'Sum', period: Duration.minutes(5), dimensions: { slo } })
      return new cw.GraphWidget({ title: `${slo}s in 5 minutes`, width: 12, left: [one('requests')], right: [one('requests_failed'), one('requests_slow')] })
    }
    new cw.Dashboard(this, 'Dashboard', {
      dashboardName: this.told.prefix,
      defaultInterval: Duration.hours(12),
      widgets: [
        [new cw.AlarmStatusWidget({ title: 'Alarms', width: 24, height: 6, alarms: this.raised })],
        [of('store'), of('recall')],
        ...chunks(graphs, 4).map((row) => row.map(({ title, metric, above }) => new cw.GraphWidget({ title, width: 6, left: [metric], leftAnnotations: [{ value: above }] }))),
      ],
    })
  }
}

function chunks<T>(items: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size))
}
