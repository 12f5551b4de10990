import type { Duration } from 'aws-cdk-lib'
import { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import type { Stage } from '../settings.ts'

type Wanted = { name: string; statistic: string; period: Duration; dimensions?: Record<string, string> }

/** What the handlers of a stage tell CloudWatch (shared/telemetry/emf.ts), and how its alarms are named. */
export class Told {
  readonly namespace: string
  readonly prefix: string

  constructor(stage: Stage) {
    this.namespace = `Soma/${stage}`
    this.prefix = `soma-${stage}`
  }

  metric({ name, statistic, period, dimensions = {} }: Wanted): Metric {
    return new Metric({ namespace: this.namespace, metricName: name, statistic, period, dimensionsMap: dimensions })
  }
}
