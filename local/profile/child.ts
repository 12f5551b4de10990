/** The product in a process of its own, so that a profile has nothing of its callers: tells its URL, records when it is asked to, and ends with the process that started it. */
import { writeFile } from 'node:fs/promises'
import { readConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { keepHeapSmall } from '../heap.ts'
import { startLocal } from '../serve.ts'
import { createRecorder, type Heap } from './recorder.ts'

/** `stop` writes the two files that Chrome's DevTools open into a folder. */
export type Order = { start: true } | { stop: { cpuFile: string; heapFile: string } }
export type Reply = { url?: string; heap?: Omit<Heap, 'profile'>; error?: string }

const reply = (answer: Reply) => void (process.connected && process.send?.(answer))

async function obey(order: Order): Promise<Reply> {
  if ('start' in order) {
    await recorder.start({ heap: true })
    return {}
  }
  const cpu = await recorder.stopCpu()
  const { profile, ...heap } = await recorder.stopHeap()
  await writeFile(order.stop.cpuFile, JSON.stringify(cpu))
  await writeFile(order.stop.heapFile, JSON.stringify(profile))
  return { heap }
}

const recorder = createRecorder()
try {
  // as the command line does
  keepHeapSmall()
  const config = readConfig()
  const local = await startLocal(config, createLog(config.LOG_LEVEL))
  process.on('message', (order: Order) =>
    obey(order)
      .catch((error): Reply => ({ error: String(error) }))
      .then(reply),
  )
  // the signals of a terminal reach us too: who started us decides
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
  process.on('disconnect', async () => {
    await local.close().catch((error) => console.error(error))
    process.exit()
  })
  reply({ url: local.url })
} catch (error) {
  reply({ error: error instanceof Error ? error.message : String(error) })
  process.disconnect?.()
  process.exitCode = 1
}
