import type { HeapProfiler, Profiler, Runtime } from 'node:inspector'

type Frame = Pick<Runtime.CallFrame, 'functionName' | 'url' | 'lineNumber'>
/** Self time in microseconds, or bytes allocated, of one function. `at` is its file and line: from the checkout on, in a package, in Node. */
export type Spender = { name: string; at: string; self: number }

const checkout = new URL('../../', import.meta.url).href
const idle = '(idle)'
/** Starting and stopping a profile: measured, 94 ms of a run. */
const profiler = /^node:inspector\b/
const collector = '(garbage collector)'
const native = 'V8 and Node (native)'

/** Self time in microseconds by where the code is: a folder of ours, a package, Node itself; the largest first, without idle time and the profiler's own. */
export function byPlace(profile: Profiler.Profile, root = checkout): Map<string, number> {
  return summed(spentOf(profile).map(([frame, micros]) => [placeOf(frame, root), micros]))
}

/** The functions that took most, by their self time. */
export const topFunctions = (profile: Profiler.Profile, howMany: number, root = checkout): Spender[] => topOf(spentOf(profile), howMany, root)

/** The functions that allocated most, by the samples of V8, each of which stands for as many bytes as it is rare. */
export const topAllocators = (profile: HeapProfiler.SamplingHeapProfile, howMany: number, root = checkout): Spender[] => topOf(allocatedOf(profile), howMany, root)

export const allocatedBytes = (profile: HeapProfiler.SamplingHeapProfile): number => allocatedOf(profile).reduce((sum, [, bytes]) => sum + bytes, 0)

/** How much of the time from its beginning to its end the thread was not idle, 0 to 1. */
export function busyShare(profile: Profiler.Profile): number {
  const spent = spentOf(profile).reduce((sum, [, micros]) => sum + micros, 0)
  return Math.min(1, spent / (profile.endTime - profile.startTime))
}

function spentOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): [Frame, number][] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const spent = new Map<number, number>()
  // V8 now and then tells of a sample later than of the next one: its time is negative then, and the sums are right
  for (const [index, id] of samples.entries()) spent.set(id, (spent.get(id) ?? 0) + (timeDeltas[index] ?? 0))
  return [...spent].map(([id, micros]): [Frame, number] => [frames.get(id) as Frame, micros]).filter(([{ functionName, url }]) => functionName !== idle && !profiler.test(url))
}

function allocatedOf({ head }: HeapProfiler.SamplingHeapProfile): [Frame, number][] {
  const found: [Frame, number][] = []
  const waiting = [head]
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (node.selfSize > 0) found.push([node.callFrame, node.selfSize])
    waiting.push(...node.children)
  }
  return found
}

function topOf(spent: readonly [Frame, number][], howMany: number, root: string): Spender[] {
  const named = spent.map(([frame, amount]): [string, number] => [JSON.stringify([frame.functionName || '(anonymous)', lineOf(frame, root)]), amount])
  return [...summed(named)].slice(0, howMany).map(([key, self]) => {
    const [name, at] = JSON.parse(key) as [string, string]
    return { name, at, self }
  })
}

/** The largest first. */
function summed(parts: readonly (readonly [string, number])[]): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [key, amount] of parts) sums.set(key, (sums.get(key) ?? 0) + amount)
  return new Map([...sums].sort(([, a], [, b]) => b - a))
}

function placeOf({ functionName, url }: Frame, root: string): string {
  if (!url) return functionName === collector ? collector : native
  const [, dependency] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? []
  if (dependency) return dependency
  const [, folder] = url.startsWith(root) ? (/^(shared\/[^/]+|[^/]+)\//.exec(url.slice(root.length)) ?? []) : []
  return folder ?? 'Node (JavaScript)'
}

/** V8 counts lines from 0. */
function lineOf(frame: Frame, root: string): string {
  const { url, lineNumber } = frame
  if (!url) return placeOf(frame, root)
  const [, path = url.startsWith(root) ? url.slice(root.length) : url] = /.*\/node_modules\/(.+)/.exec(url) ?? []
  return `${path}:${lineNumber + 1}`
}
