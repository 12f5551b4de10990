import { Duration } from 'aws-cdk-lib'
import { type IRuleTarget, Rule, Schedule } from 'aws-cdk-lib/aws-events'
import { EcsTask, LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import type { Handler, TaskPlatform } from './handler.ts'
import type { Network } from './network.ts'

export type Place = { network: Network; platform: TaskPlatform | undefined }

/** Starts a job at its rate: EventBridge knows whole minutes, and none below one. */
export function scheduleJob(handler: Handler, everySeconds: number, place: Place): void {
  const rate = Duration.minutes(Math.max(1, Math.ceil(everySeconds / 60)))
  new Rule(handler, 'Schedule', { schedule: Schedule.rate(rate), description: handler.row.summary, targets: [jobTarget(handler, place)] })
}

/** Without retries: the next tick is the retry. */
function jobTarget({ placed }: Handler, { network, platform }: Place): IRuleTarget {
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
