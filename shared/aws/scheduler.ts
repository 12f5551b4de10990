import type { CreateScheduleCommandInput, SchedulerClient } from '@aws-sdk/client-scheduler'

/** A one-shot schedule of EventBridge Scheduler in the group, which invokes the function `arn` with `input` in the minute `at`, and is gone then. */
export type Schedule = { name: string; at: Date; arn: string; input: unknown }
/** `patienceMs` is for all tries of a call together. */
export type Scheduling = { group: string; roleArn: string; endpoint?: string; patienceMs?: number }

/** CreateSchedule. False when there is one of this name. The SDK tries again when it is throttled. @throws Error of the SDK, also when it has lost patience */
export function schedules(options: Scheduling): (schedule: Schedule) => Promise<boolean> {
  let opened: Promise<{ client: SchedulerClient; library: typeof import('@aws-sdk/client-scheduler') }> | undefined
  async function open() {
    const library = await import('@aws-sdk/client-scheduler')
    return { library, client: new library.SchedulerClient(options.endpoint ? { endpoint: options.endpoint } : {}) }
  }
  return async (schedule) => {
    opened ??= open()
    const { client, library } = await opened
    try {
      await client.send(new library.CreateScheduleCommand(inputOf(schedule, options)), { abortSignal: AbortSignal.timeout(options.patienceMs ?? 5_000) })
      return true
    } catch (error) {
      if (error instanceof library.ConflictException) return false
      throw error
    }
  }
}

function inputOf({ name, at, arn, input }: Schedule, { group, roleArn }: Scheduling): CreateScheduleCommandInput {
  return {
    Name: name,
    GroupName: group,
    ScheduleExpression: `at(${at.toISOString().slice(0, 19)})`,
    ScheduleExpressionTimezone: 'UTC',
    FlexibleTimeWindow: { Mode: 'OFF' },
    ActionAfterCompletion: 'DELETE',
    // by itself it would try 185 times within a day, when the ticks have long looked
    Target: { Arn: arn, RoleArn: roleArn, Input: JSON.stringify(input), RetryPolicy: { MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 300 } },
  }
}
