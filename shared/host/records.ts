import * as z from 'zod'
import type { RecordHandler } from '../handler/index.ts'

const Records = z.object({ records: z.array(z.object({ topic: z.string(), key: z.string(), value: z.string().nullable(), headers: z.record(z.string(), z.string()) })) })

/** The wire form of a batch, the same for a function and a task: `{records}` in, `{failures:[{index, message, poison, away?}]}` out. */
export async function applyRecords(handler: RecordHandler, payload: unknown): Promise<{ failures: { index: number; message: string; poison: boolean; away?: true }[] }> {
  const { records } = Records.parse(payload)
  const failures = await handler(records)
  return { failures: failures.map(({ index, error, poison, away }) => ({ index, message: error.message, poison, ...(away ? { away } : {}) })) }
}
