import { Duration } from 'aws-cdk-lib'
import { type IMetric, Metric } from 'aws-cdk-lib/aws-cloudwatch'
import type { Severity } from '../../functions/alerts.ts'
import { manifest } from '../../functions/manifest.ts'
import { type Handler, pascalCase } from '../handler.ts'
import { groupOf } from '../kafka.ts'
import type { Provided } from '../provided.ts'
import { seldomSeconds } from '../schedule.ts'
import type { Stage } from '../settings.ts'

/** An alarm on what AWS itself measures. */
export type ServiceAlarm = { id: string; metric: IMetric; above: number; minutes: number; severity: Severity; summary: string; runbook: string }

/** Of the services that the stack makes: what fills up, what is at its end, and functions that fail. */
export function serviceAlarms({ handlers, provided, stage, rests }: { handlers: Iterable<Handler>; provided: Provided; stage: Stage; rests: boolean }): ServiceAlarm[] {
  return [...functionAlarms([...handlers], rests), ...databaseAlarms(provided), ...brokerAlarms(provided, stage), ...cacheAlarms(provided)]
}

const period = Duration.minutes(5)

/** A failed tick of a job is made good by the next one; three in a row are not. Of what ticks a few times a day, each failure is told. */
function functionAlarms(handlers: readonly Handler[], rests: boolean): ServiceAlarm[] {
  const runbook = 'a-function-fails'
  return handlers.flatMap(({ row, placed }): ServiceAlarm[] => {
    if (placed.on !== 'lambda') return []
    const name = pascalCase(row.name)
    const ticks = row.kind !== 'job' ? 300 : rests ? seldomSeconds : (row.everySeconds ?? 300)
    // CloudWatch looks over a day at most
    const seldom = ticks * 3 >= 64_800
    const minutes = seldom ? 1440 : Math.max(15, Math.ceil((ticks * 3) / 300) * 5)
    const summary = `The function of ${row.name} failed${seldom ? '' : ' more than twice'}.`
    const fails: ServiceAlarm = {
      id: `${name}Fails`,
      metric: placed.fn.metricErrors({ period: Duration.minutes(minutes) }),
      above: seldom ? 0 : 2,
      minutes,
      severity: 'ticket',
      summary,
      runbook,
    }
    // a job that is throttled is one that runs already, and each store wakes the drain
    if (row.kind === 'job') return [fails]
    const refused = `Calls of ${row.name} were refused: its reserved concurrency, or the account's, is used up.`
    return [fails, { id: `${name}Throttled`, metric: placed.fn.metricThrottles({ period }), above: 0, minutes: 15, severity: 'ticket', summary: refused, runbook }]
  })
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
  const lags = manifest.flatMap((row) =>
    row.kind === 'records'
      ? [
          {
            id: `${pascalCase(row.name)}Lag`,
            metric: of('SumOffsetLag', 'Maximum', { 'Consumer Group': groupOf(row), Topic: row.topic }),
            above: 10_000,
            minutes: 15,
            severity: 'ticket' as const,
            summary: `The consumer group of ${row.name} has more than 10,000 records before it, or has stopped.`,
            runbook: 'vectors-lag-behind',
          },
        ]
      : [],
  )
  return [
    ...disks,
    ...lags,
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
  return cache.nodes.map((node, index) => ({
    id: `CacheMemory${index + 1}`,
    metric: new Metric({ namespace: 'AWS/ElastiCache', metricName: 'DatabaseMemoryUsagePercentage', statistic: 'Maximum', period, dimensionsMap: { CacheClusterId: node } }),
    above: 80,
    minutes: 15,
    severity: 'ticket',
    summary: 'Redis is four fifths full, and removes nothing by itself: at its end each process counts rate limits alone.',
    runbook: 'redis',
  }))
}
