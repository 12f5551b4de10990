import type { HeapProfiler, Profiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'

export type Recorder = {
  /** CPU from now on; with `heap`, allocations and the event loop's delay too. */
  start(options?: { heap?: boolean }): Promise<void>
  stopCpu(): Promise<Profiler.Profile>
  stopHeap(): Promise<Heap>
}
/** Bytes in use before and after a full collection of garbage; `delayP99Ms`: how much later than asked for the event loop came round, in the worst hundredth. */
export type Heap = { profile: HeapProfiler.SamplingHeapProfile; usedBefore: number; usedAfter: number; delayP99Ms: number }

/** V8 takes a sample of so many bytes allocated. */
const samplingInterval = 32_768
const resolution = 10

/** Profiles of this process, by V8's own profilers. */
export function createRecorder(): Recorder {
  const session = new Session()
  let delay: ReturnType<typeof monitorEventLoopDelay> | undefined
  return {
    async start({ heap = false } = {}) {
      session.connect()
      if (heap) {
        // what is garbage by the end was allocated all the same
        await session.post('HeapProfiler.startSampling', { samplingInterval, includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true })
        delay = monitorEventLoopDelay({ resolution })
        delay.enable()
      }
      await session.post('Profiler.enable')
      await session.post('Profiler.start')
    },
    stopCpu: async () => (await session.post('Profiler.stop')).profile,
    async stopHeap() {
      delay?.disable()
      const { profile } = await session.post('HeapProfiler.stopSampling')
      const usedBefore = process.memoryUsage().heapUsed
      await session.post('HeapProfiler.collectGarbage')
      const usedAfter = process.memoryUsage().heapUsed
      // the histogram holds the whole time between two looks
      return { profile, usedBefore, usedAfter, delayP99Ms: Math.max(0, (delay?.percentile(99) ?? 0) / 1e6 - resolution) }
    },
  }
}
