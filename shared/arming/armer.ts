import { Arming, sweepInput } from './arming.ts'
import { slotAfter } from './slot.ts'

/**
 * A job that may be armed. `after` names the jobs whose wake-ups may leave something to it; however often they are woken, it runs once in `everySeconds`. What it knows to be due later waits for the next multiple of
 * `togetherSeconds`, a minute unless given.
 */
export type SweptJob = { job: string; arn: string; after: readonly string[]; everySeconds: number; togetherSeconds?: number }
/** A schedule that invokes a function once. Its name says what and when: whoever arms the same again finds it there. */
export type OneShot = { name: string; at: Date; arn: string; input: unknown }
export type ArmerDeps = {
  jobs: readonly SweptJob[]
  /** False when there is one of this name already. */
  schedule: (one: OneShot) => Promise<boolean>
  /** Where the next tick looks anyway: nothing is armed for later. */
  horizonSeconds: number
  now?: () => number
}
/** The names of what was armed now, and of what was there. */
export type Armed = { armed: string[]; pending: string[] }

/** After a wake-up: its own work should be done by then, and the lease of a drain that was killed be over. */
const wokenSeconds = 60
/** EventBridge Scheduler starts within the minute it is told, which must not be over when it is told. */
const leastSeconds = 30

/** Answers an arming with one-shot schedules. @throws AggregateError when one was refused: trying again is harmless; ZodError for anything else than an arming */
export function createArmer({ jobs, schedule, horizonSeconds, now = Date.now }: ArmerDeps): (event: unknown) => Promise<Armed> {
  /** When each job was last armed for after a wake-up, by this process. */
  const armedFor = new Map<string, number>()

  async function arm({ job, arn }: SweptJob, at: number, fruitless: number): Promise<{ name: string; isNew: boolean }> {
    const name = `${job}-${new Date(at).toISOString().slice(0, 16).replaceAll(/[-:]/g, '')}`
    return { name, isNew: await schedule({ name, at: new Date(at), arn, input: sweepInput(fruitless) }) }
  }

  async function afterWakeUp(one: SweptJob): Promise<{ name: string; isNew: boolean }[]> {
    const before = armedFor.get(one.job) ?? 0
    // that sweep is still to come, and finds this too
    if (before > now()) return []
    const at = Math.max(slotAfter(now(), wokenSeconds), before + one.everySeconds * 1000)
    const done = await arm(one, at, 0)
    armedFor.set(one.job, at)
    return [done]
  }

  async function afterRun(one: SweptJob, { seconds, fruitless }: NonNullable<Arming['left']>): Promise<{ name: string; isNew: boolean }[]> {
    const wait = Math.max(seconds, backoffSeconds(fruitless))
    // what is due at once, or failed, waits for no others
    const at = slotAfter(now(), Math.max(wait, leastSeconds), seconds > 0 ? one.togetherSeconds : undefined)
    return wait > horizonSeconds ? [] : [await arm(one, at, fruitless)]
  }

  return async (event) => {
    const { job, left } = Arming.parse(event)
    const work = left ? jobs.filter((one) => one.job === job).map((one) => afterRun(one, left)) : jobs.filter(({ after }) => after.includes(job)).map(afterWakeUp)
    const ended = await Promise.allSettled(work)
    const reasons = ended.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    if (reasons.length) throw new AggregateError(reasons, `${reasons.length} of ${ended.length} sweeps after ${job} were not armed: ${reasons.map(String).join(' ')}`)
    const done = ended.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    const named = (isNew: boolean) => done.filter((one) => one.isNew === isNew).map(({ name }) => name)
    return { armed: named(true), pending: named(false) }
  }
}

/** What fails, or waits for somebody who is away, is looked at less and less often, and in the end by the ticks alone: nothing keeps a database awake for ever. */
function backoffSeconds(fruitless: number): number {
  return fruitless < 2 ? 0 : 60 * 2 ** (fruitless - 1)
}
