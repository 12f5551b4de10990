import type { Profiler } from 'node:inspector'

/** Self time in microseconds by where the code is: a folder of ours, a package, Node itself. */
export function byPlace({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Map<string, number> {
  const places = new Map(nodes.map(({ id, callFrame: { functionName, url } }) => [id, placeOf(functionName, url)]))
  const spent = new Map<string, number>()
  for (const [index, id] of samples.entries()) {
    const place = places.get(id) as string
    if (place !== '(idle)') spent.set(place, (spent.get(place) ?? 0) + (timeDeltas[index] ?? 0))
  }
  return new Map([...spent].sort(([, a], [, b]) => b - a))
}

function placeOf(functionName: string, url: string): string {
  if (!url) return functionName === '(idle)' || functionName === '(garbage collector)' ? functionName : 'V8 and Node (native)'
  const [, dependency] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? []
  if (dependency) return dependency
  const [, folder] = /\/(shared\/[^/]+|functions|local|bench)\//.exec(url) ?? []
  return folder ?? 'Node (JavaScript)'
}
