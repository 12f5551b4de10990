import type { HeapProfiler, Profiler } from 'node:inspector'
import { expect, test } from 'vitest'
import { allocatedBytes, busyShare, byPlace, topAllocators, topFunctions } from '../../local/profile/fold.ts'

const root = 'file:///srv/local/shared/soma/'
const frame = (functionName: string, path: string, lineNumber = 0) => ({ functionName, scriptId: '0', url: path, lineNumber, columnNumber: 0 })

const frames = [
  frame('(root)', ''),
  frame('(idle)', ''),
  frame('(garbage collector)', ''),
  frame('(program)', ''),
  frame('fuse', `${root}shared/recall/fuse.ts`, 56),
  frame('', `${root}shared/ranking/score.ts`, 9),
  frame('query', `${root}node_modules/pg/lib/client.js`, 99),
  frame('sign', `${root}node_modules/@aws-sdk/core/node_modules/@smithy/signer/index.js`, 4),
  frame('emit', 'node:events', 488),
  frame('main', `${root}bin/soma.ts`, 1),
  // the same function called from elsewhere is another node
  frame('fuse', `${root}shared/recall/fuse.ts`, 56),
  frame('post', 'node:inspector', 114),
]
// microseconds by node; the first of the two parts of `fuse` is told in two samples
const samples: [node: number, micros: number][] = [
  [1, 480],
  [11, 20],
  [4, 100],
  [2, 60],
  [4, 140],
  [5, 30],
  [6, 50],
  [7, 20],
  [8, 10],
  [9, 5],
  [3, 25],
  [10, 60],
]
const profile: Profiler.Profile = {
  nodes: frames.map((callFrame, id) => ({ id, callFrame })),
  startTime: 0,
  endTime: 1_000,
  samples: samples.map(([node]) => node),
  timeDeltas: samples.map(([, micros]) => micros),
}

test('CPU time is summed by the folder, the package, Node and the collector, without idle time and the profiler’s own', () => {
  expect([...byPlace(profile, root)]).toEqual([
    ['shared/recall', 300],
    ['(garbage collector)', 60],
    ['pg', 50],
    ['shared/ranking', 30],
    ['V8 and Node (native)', 25],
    ['@smithy/signer', 20],
    ['Node (JavaScript)', 10],
    ['bin', 5],
  ])
  expect(busyShare(profile)).toBe(0.5)
})

test('a function is one whoever called it, at a line that an editor counts, its path without the machine’s', () => {
  expect(topFunctions(profile, 4, root)).toEqual([
    { name: 'fuse', at: 'shared/recall/fuse.ts:57', self: 300 },
    { name: '(garbage collector)', at: '(garbage collector)', self: 60 },
    { name: 'query', at: 'pg/lib/client.js:100', self: 50 },
    { name: '(anonymous)', at: 'shared/ranking/score.ts:10', self: 30 },
  ])
})

test('allocations are summed by function over the whole tree', () => {
  const node = (at: number, selfSize: number, children: HeapProfiler.SamplingHeapProfileNode[] = []) => ({ callFrame: frames[at]!, id: at, selfSize, children })
  const heap = { head: node(0, 0, [node(4, 100, [node(6, 700)]), node(9, 0, [node(10, 50), node(5, 20)])]), samples: [] }
  expect(topAllocators(heap, 2, root)).toEqual([
    { name: 'query', at: 'pg/lib/client.js:100', self: 700 },
    { name: 'fuse', at: 'shared/recall/fuse.ts:57', self: 150 },
  ])
  expect(allocatedBytes(heap)).toBe(870)
})
