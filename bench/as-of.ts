import { setTimeout as sleep } from 'node:timers/promises'
import { bulkSize, largeUser, memoryNumber, sizeOf, smallUser, userOf, users } from './corpus.ts'
import { count, median, ms, p95, printTable, timed } from './figures.ts'
import type { Product } from './product.ts'
import type { Options } from './run.ts'
import { queryFor, textOf } from './texts.ts'

const versions = 5
const modes = ['hybrid', 'lexical', 'vector'] as const
/** Another text for each version of a memory. */
const numberOf = (i: number, version: number) => i + version * 10_000_000

/** What looking back costs: the same questions now and as of an instant between the versions, turn by turn, on memories of five versions each. */
export async function asOf(product: Product, options: Options): Promise<void> {
  const n = sizeOf(options)
  const instants: string[] = []
  for (let version = 1; version <= versions; version++) {
    await storeRound(product, n, version)
    await sleep(50)
    instants.push(new Date().toISOString())
    await sleep(50)
  }
  await product.sql('vacuum (analyze)')
  const asked = options.short ? 60 : 200
  const rows: string[][] = []
  for (const user of [smallUser, largeUser]) {
    for (const mode of modes) {
      const found: Record<'now' | 'newest' | 'middle' | 'oldest', number[]> = { now: [], newest: [], middle: [], oldest: [] }
      const whens = [
        ['now', undefined, versions],
        ['newest', instants[4], versions],
        ['middle', instants[2], 3],
        ['oldest', instants[0], 1],
      ] as const
      for (let k = -20; k < asked; k++) {
        for (const [name, as_of, version] of whens) {
          const query = queryFor(numberOf(memoryNumber(user.id, Math.abs(k), n), version))
          const time = await timed(() => product.http.post('/v1/recall', { query, user_id: user.id, mode, top_k: 10, ...(as_of ? { as_of } : {}) }))
          if (k >= 0) found[name].push(time)
        }
      }
      const base = p95(found.now)
      for (const [name] of whens) {
        rows.push([
          `${mode}, ${count(user.memories)} of ${count(n)}, ${name === 'now' ? 'now' : `as of the ${name} version`}`,
          ms(median(found[name])),
          ms(p95(found[name])),
          `${(p95(found[name]) / base).toFixed(2)}×`,
        ])
      }
    }
  }
  printTable(`Top 10 of one user among ${count(n)} memories of ${users} users with ${versions} versions each, n = ${asked}`, ['', 'p50', 'p95', 'p95 to now'], rows)
}

async function storeRound({ http }: Product, n: number, version: number): Promise<void> {
  let last = ''
  for (let first = 0; first < n; first += bulkSize) {
    const items = Array.from({ length: bulkSize }, (_, i) => ({ text: textOf(numberOf(first + i, version)), user_id: userOf(first + i, n), coord: String(first + i) }))
    const { results } = await http.post<{ results: { id: string }[] }>('/v1/memories/bulk', { items })
    last = results.at(-1)?.id ?? ''
  }
  // a version that is replaced before it was indexed leaves no vector behind
  while ((await http.get<{ index_state: string }>(`/v1/memories/${last}`)).index_state !== 'indexed') await sleep(100)
}
