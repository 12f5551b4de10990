/** The product in a process of its own: tells its URL, answers what the benchmark asks about it, and ends with the benchmark. */

import type { Profiler } from 'node:inspector'
import { keepHeapSmall } from '../local/heap.ts'
import { createRecorder } from '../local/profile/recorder.ts'
import { startLocal } from '../local/serve.ts'
import { readConfig } from '../shared/config/index.ts'
import { createLog } from '../shared/telemetry/index.ts'

/** A statement as the schema's owner, a job to run, a profile to begin or to end; or nothing of these: the resident memory. */
export type Question = { id: number; sql?: string; job?: string; profile?: 'start' | 'stop' }
export type Answer = { id: number; rows?: Record<string, unknown>[]; rss?: number; profile?: Profiler.Profile; error?: string }
export type Hello = { url: string }

// as the command line does
keepHeapSmall()
const config = readConfig()
const local = await startLocal(config, createLog(config.LOG_LEVEL))

const recorder = createRecorder()

async function answer({ id, sql, job, profile }: Question): Promise<Answer> {
  try {
    if (sql !== undefined) return { id, rows: await local.db.owner.maintenance((owner) => owner.query(sql)) }
    if (job !== undefined) await local.runJob(job)
    else if (profile === 'start') await recorder.start()
    else if (profile === 'stop') return { id, profile: await recorder.stopCpu() }
    else return { id, rss: process.memoryUsage.rss() }
    return { id }
  } catch (error) {
    return { id, error: String(error) }
  }
}

process.on('message', async (question: Question) => {
  const reply = await answer(question)
  if (process.connected) process.send?.(reply)
})
// the signals of a terminal reach us too: the benchmark decides
process.on('SIGINT', () => {})
process.on('disconnect', async () => {
  await local.close().catch((error) => console.error(error))
  process.exit()
})
process.send?.({ url: local.url } satisfies Hello)
