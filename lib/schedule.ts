import { Duration } from 'aws-cdk-lib'
import { type IRuleTarget, Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events'
import { EcsTask, LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import { restTickHours } from '../functions/manifest.ts'
import type { Handler, TaskPlatform } from './handler.ts'
import type { Network } from './network.ts'

export type Place = { network: Network; platform: TaskPlatform | undefined; rests: boolean }

/** Where all rests; what has to run earlier is armed (sweeps.ts). */
export const seldomSeconds = restTickHours * 3600

/** Starts a job at its rate: EventBridge knows whole minutes, and none below one. */
export function scheduleJob(handler: Handler, everySeconds: number, place: Place): void {
  if (place.rests) {
    const hour = everySeconds > seldomSeconds ? '0' : `*/${restTickHours}`
    new Rule(handler, 'Schedule', { schedule: Schedule.cron({ hour, minute: '0' }), description: handler.row.summary, targets: [jobTarget(handler, place)] })
    return
  }
  const rate = Duration.minutes(Math.max(1, Math.ceil(everySeconds / 60)))
  new Rule(handler, 'Schedule', { schedule: Schedule.rate(rate), description: handler.row.summary, targets: [jobTarget(handler, place)] })
}

/** Without retries: the next tick is the retry. */
function jobTarget({ placed }: Handler, { network, platform }: Pick<Place, 'network' | 'platform'>): IRuleTarget {
  if (placed.on === 'lambda') return new LambdaFunction(placed.fn, { retryAttempts: 0 })
  if (!platform) throw new Error('A task cannot be scheduled in a stack without a task platform: create it with taskPlatform().')
  return new EcsTask({
    cluster: platform.cluster,
    taskDefinition: placed.definition,
    subnetSelection: network.subnets,
    securityGroups: [network.handlers],
    assignPublicIp: false,
    retryAttempts: 0,
  })
}

/** A function is scraped by nobody: each minute it is told to read what it knows of the installation, and tells CloudWatch. A task does so by itself. */
export function scheduleMeasures(handler: Handler): void {
  if (handler.placed.on !== 'lambda') return
  const target = new LambdaFunction(handler.placed.fn, { retryAttempts: 0, event: RuleTargetInput.fromObject({ measure: true }) })
  new Rule(handler, 'Measures', { schedule: Schedule.rate(Duration.minutes(1)), description: 'tells the metrics of the installation', targets: [target] })
}
