/** The product in a process of its own: tells its URL, answers what the benchmark asks about it, and ends with the benchmark. */

import { keepHeapSmall } from '../local/heap.ts'
import { startLocal } from '../local/serve.ts'
import { readConfig } from '../shared/config/index.ts'
import { createLog } from '../shared/telemetry/index.ts'

export type Question = { id: number /** A statement as the schema's owner, or none: the resident memory. */; sql?: string }
export type Answer = { id: number; rows?: Record<string, unknown>[]; rss?: number; error?: string }
export type Hello = { url: string }

// as the command line does
keepHeapSmall()
const config = readConfig()
const local = await startLocal(config, createLog(config.LOG_LEVEL))

async function answer({ id, sql }: Question): Promise<Answer> {
  try {
    if (sql === undefined) return { id, rss: process.memoryUsage.rss() }
    return { id, rows: await local.db.owner.maintenance((owner) => owner.query(sql)) }
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
