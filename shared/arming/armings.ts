import type { JobReport } from '../handler/index.ts'
import type { Log } from '../telemetry/index.ts'
import type { Arming } from './arming.ts'
import { slotAfter } from './slot.ts'

/** How a run of a job ended: `report` is absent when it failed. `due` answers in how many seconds it knows of more to do, null for never. */
export type Run = { fruitless: number; report: JobReport | undefined; due: () => Promise<number | null> }
/** Nobody fails by these, and nobody waits for longer than the bound of `tell`. */
export type Armings = {
  /** A job was woken: should that wake-up be lost, or leave something behind, a sweep follows. */
  woken(job: string): Promise<void>
  /** A run ended: what it left behind is looked after in time. */
  ended(job: string, run: Run): Promise<void>
}
type ArmingsDeps = { tell: (arming: Arming) => Promise<void>; log: Pick<Log, 'warn'>; now?: () => number }

/** Tells whoever arms sweeps what there is to come back for. Of the wake-ups of a job within a minute a process tells one; what cannot be told is logged and counted, and left to the next tick. */
export function createArmings({ tell, log, now = Date.now }: ArmingsDeps): Armings {
  const told = new Map<string, number>()
  let lost = 0

  async function send(arming: Arming): Promise<boolean> {
    try {
      await tell(arming)
      return true
    } catch (error) {
      lost++
      log.warn({ err: error, job: arming.job, lost }, 'a sweep was not armed; the next tick will make it good')
      return false
    }
  }

  return {
    async woken(job) {
      const slot = slotAfter(now(), 0)
      if (told.get(job) === slot) return
      if (await send({ job })) told.set(job, slot)
    },
    async ended(job, { fruitless, report, due }) {
      if (!report) await send({ job, left: { seconds: 0, fruitless: fruitless + 1 } })
      // it worked until its time was over
      else if (report.remaining) await send({ job, left: { seconds: 0, fruitless: 0 } })
      else {
        const seconds = await secondsUntil(due)
        if (seconds !== null) await send({ job, left: { seconds, fruitless: report.done > 0 ? 0 : fruitless + 1 } })
      }
    },
  }

  async function secondsUntil(due: Run['due']): Promise<number | null> {
    try {
      const seconds = await due()
      return seconds === null ? null : Math.max(0, seconds)
    } catch (error) {
      log.warn({ err: error }, 'it is not known when there is more to do: somebody looks soon')
      return 0
    }
  }
}
