import { Duration } from 'aws-cdk-lib'
import { type IMetric, Metric } from 'aws-cdk-lib/aws-cloudwatch'
import type { Severity } from '../../functions/alerts.ts'
import { type Handler, pascalCase } from '../handler.ts'
import type { Provided } from '../provided.ts'
import type { Stage } from '../settings.ts'

/** An alarm on what AWS itself measures. */
export type ServiceAlarm = { id: string; metric: IMetric; above: number; minutes: number; severity: Severity; summary: string; runbook: string }

/** Of the services that the stack makes: what fills up, what is at its end, and functions that fail. */
export function serviceAlarms({ handlers, provided, stage }: { handlers: Iterable<Handler>; provided: Provided; stage: Stage }): ServiceAlarm[] {
  return [...functionAlarms(handlers), ...databaseAlarms(provided), ...brokerAlarms(provided, stage), ...cacheAlarms(provided)]
}

const period = Duration.minutes(5)

/** A failed tick of a job is made good by the next one; three in a row are not. */
function functionAlarms(handlers: Iterable<Handler>): ServiceAlarm[] {
  const runbook = 'a-function-fails'
  const each = [...handlers].flatMap(({ row, placed }): ServiceAlarm[] => {
    if (placed.on !== 'lambda') return []
    const ticks = row.kind === 'job' ? (row.everySeconds ?? 300) : 300
    // CloudWatch looks over a day at most: of a daily job, one failure is told
    const minutes = Math.min(1440, Math.max(15, Math.ceil((ticks * 3) / 300) * 5))
    const above = ticks * 3 > 86_400 ? 0 : 2
    const summary = above ? `The function of ${row.name} failed more than twice.` : `The function of ${row.name} failed.`
    const metric = placed.fn.metricErrors({ period: Duration.minutes(minutes) })
    return [{ id: `${pascalCase(row.name)}Fails`, metric, above, minutes, severity: 'ticket', summary, runbook }]
  })
  if (!each.length) return []
  const metric = new Metric({ namespace: 'AWS/Lambda', metricName: 'Throttles', statistic: 'Sum', period })
  return [
    ...each,
    {
      id: 'FunctionsThrottled',
      metric,
      above: 0,
      minutes: 15,
      severity: 'ticket',
      summary: "Calls of functions in this account were refused: reserved concurrency, or the account's, is used up.",
      runbook,
    },
  ]
}

function databaseAlarms({ database }: Provided): ServiceAlarm[] {
  if (!database) return []
  const { cluster } = database
  const runbook = 'the-database-is-at-its-end'
  return [
    {
      id: 'DatabaseCapacity',
      metric: cluster.metric('ACUUtilization', { statistic: 'Average', period }),
      above: 90,
      minutes: 15,
      severity: 'page',
      summary: 'The database runs at more than nine tenths of its largest capacity.',
      runbook,
    },
    {
      id: 'DatabaseTransactions',
      metric: cluster.metric('MaximumUsedTransactionIDs', { statistic: 'Maximum', period }),
      above: 1_000_000_000,
      minutes: 60,
      severity: 'page',
      summary: 'Half of the transaction numbers are used up: vacuum does not keep up, and at two billions PostgreSQL takes no writes.',
      runbook,
    },
    {
      id: 'DatabaseDeadlocks',
      metric: cluster.metricDeadlocks({ statistic: 'Average', period }),
      above: 1,
      minutes: 15,
      severity: 'ticket',
      summary: 'More than one deadlock a second.',
      runbook,
    },
  ]
}

function brokerAlarms({ broker }: Provided, stage: Stage): ServiceAlarm[] {
  if (!broker) return []
  const of = (metricName: string, statistic: string, more: Record<string, string> = {}) =>
    new Metric({ namespace: 'AWS/Kafka', metricName, statistic, period, dimensionsMap: { 'Cluster Name': `soma-${stage}`, ...more } })
  const disks = [1, 2, 3].map((id) => ({
    id: `BrokerDisk${id}`,
    metric: of('KafkaDataLogsDiskUsed', 'Maximum', { 'Broker ID': String(id) }),
    above: 80,
    minutes: 15,
    severity: 'page' as const,
    summary: `The disk of broker ${id} is more than four fifths full.`,
    runbook: 'the-broker-is-at-its-end',
  }))
  return [
    ...disks,
    {
      id: 'BrokerOffline',
      metric: of('OfflinePartitionsCount', 'Maximum'),
      above: 0,
      minutes: 5,
      severity: 'page',
      summary: 'Partitions of the broker have no leader: changes wait in the outbox.',
      runbook: 'the-broker-is-at-its-end',
    },
  ]
}

function cacheAlarms({ cache }: Provided): ServiceAlarm[] {
  if (!cache) return []
  const metric = new Metric({
    namespace: 'AWS/ElastiCache',
    metricName: 'DatabaseMemoryUsagePercentage',
    statistic: 'Maximum',
    period,
    dimensionsMap: { ReplicationGroupId: cache.id },
  })
  return [
    {
      id: 'CacheMemory',
      metric,
      above: 80,
      minutes: 15,
      severity: 'ticket',
      summary: 'Redis is four fifths full, and removes nothing by itself: at its end each process counts rate limits alone.',
      runbook: 'redis',
    },
  ]
}
