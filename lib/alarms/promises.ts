import { Duration } from 'aws-cdk-lib'
import { type Alarm, AlarmRule, AlarmState, ComparisonOperator, CompositeAlarm, type IAlarmRule, MathExpression, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import type { Construct } from 'constructs'
import { budgetOf, burns, type Kind, kinds, leastBad, type Severity, type Slo, slos } from '../../functions/alerts.ts'
import { pascalCase } from '../handler.ts'
import type { Told } from './told.ts'

const figures: Record<Kind, string> = { failed: 'requests_failed', slow: 'requests_slow' }
/** An alarm of CloudWatch looks at one span of at most a day: the burn of three days is left to Prometheus. */
const longestSeconds = 86_400

export type Promised = { alarm: CompositeAlarm; severity: Severity }

/** For each promise and each pair of windows an alarm that is raised while the error budget burns too fast in both. Names and numbers are those of functions/alerts.ts. */
export function promiseAlarms(scope: Construct, told: Told): Promised[] {
  return slos.flatMap((slo) =>
    kinds.flatMap((kind) =>
      burns
        .filter(({ long }) => secondsOf(long) <= longestSeconds)
        .map(({ severity, long, short, factor }) => {
          const name = `${pascalCase(slo.name)}${kind === 'failed' ? 'Fails' : 'Slow'}${pascalCase(long)}`
          const over = (window: string) =>
            AlarmRule.fromAlarm(shareAlarm(scope, `${name}Over${pascalCase(window)}`, { told, slo, kind, window, above: factor * budgetOf(slo, kind) }), AlarmState.ALARM)
          return { severity, alarm: composite(scope, name, { told, rule: AlarmRule.allOf(over(long), over(short)), slo, kind, long }) }
        }),
    ),
  )
}

type Share = { told: Told; slo: Slo; kind: Kind; window: string; above: number }

function shareAlarm(scope: Construct, id: string, { told, slo, kind, window, above }: Share): Alarm {
  const period = Duration.seconds(secondsOf(window))
  const of = (name: string) => told.metric({ name, statistic: 'Sum', period, dimensions: { slo: slo.name } })
  const expression = `IF(FILL(bad, 0) >= ${leastBad}, FILL(bad, 0) / requests, 0)`
  return new MathExpression({ expression, usingMetrics: { bad: of(figures[kind]), requests: of('requests') }, period, label: `${slo.name}s that ${kind}` }).createAlarm(scope, id, {
    threshold: Number(above.toPrecision(6)),
    evaluationPeriods: 1,
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  })
}

type Whole = Pick<Share, 'told' | 'slo' | 'kind'> & { rule: IAlarmRule; long: string }

function composite(scope: Construct, name: string, { told, rule, slo, kind, long }: Whole): CompositeAlarm {
  const what = kind === 'failed' ? 'fail' : `take longer than ${slo.withinSeconds} s`
  const alarmDescription = `Too many ${slo.name}s ${what}, within ${long} and still. What to do: docs/runbook.md#${slo.runbook}`
  return new CompositeAlarm(scope, name, { compositeAlarmName: `${told.prefix}-${name}`, alarmRule: rule, alarmDescription })
}

/** `6h` to 21,600. */
export function secondsOf(window: string): number {
  const unit = { m: 60, h: 3600, d: 86_400 }[window.slice(-1)]
  return Number(window.slice(0, -1)) * (unit ?? Number.NaN)
}
