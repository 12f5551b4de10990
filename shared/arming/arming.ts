import * as z from 'zod'

/** What functions tell the one that arms sweeps: that they woke a job, or, with `left`, that a run of it ended and left something that is due in so many seconds. */
export const Arming = z.strictObject({
  job: z.string().max(40),
  left: z.strictObject({ seconds: z.number().min(0), /** Runs in a row that found nothing to do, or failed. */ fruitless: z.int().min(0) }).optional(),
})
export type Arming = z.output<typeof Arming>

const Sweep = z.object({ sweep: z.object({ fruitless: z.int().min(0) }) })

/** What a one-shot schedule hands to the job. */
export const sweepInput = (fruitless: number): z.output<typeof Sweep> => ({ sweep: { fruitless } })

/** How many fruitless runs the schedule that started this one follows; 0 of whatever else did. */
export function fruitlessOf(event: unknown): number {
  const parsed = Sweep.safeParse(event)
  return parsed.success ? parsed.data.sweep.fruitless : 0
}
