import { setTimeout as sleep } from 'node:timers/promises'
import { type Bare, openBare } from './bare.ts'
import { median, ms, p95, printTable, timed, times } from './figures.ts'
import type { Product } from './product.ts'
import type { Options } from './run.ts'
import { textOf } from './texts.ts'

const bulkSize = 50
/** Long enough for the pipeline to have indexed the store before. */
const restMs = 60

/** One memory and fifty at a time over HTTP, each beside one bare insert of as many rows, in turn. */
export async function store(product: Product, { short, embedded }: Options): Promise<void> {
  const bare = await openBare(product)
  try {
    await compare(product, bare, { first: 0, rounds: 100, size: 1 })
    const singles = await compare(product, bare, { first: 1_000, rounds: short ? 200 : 1_000, size: 1 })
    await sleep(2_000)
    const rested = await compare(product, bare, { first: 100_000, rounds: short ? 50 : 300, size: 1, restMs })
    const bulks = await compare(product, bare, { first: 200_000, rounds: short ? 20 : 100, size: bulkSize })
    const rows = [
      ['one memory, one after the other', singles],
      [`one memory, ${restMs} ms after the last was answered`, rested],
      [`bulk of ${bulkSize}, one after the other`, bulks],
    ] as const
    printTable(
      `Store over HTTP beside a bare insert of the same columns${embedded ? ' (an embedded engine of its own)' : ''}, taken in turn; indexing goes on meanwhile`,
      ['', 'n', 'store p50', 'p95', 'bare p50', 'p95', 'ratio p50', 'p95'],
      rows.map(([name, { stored, inserted }]) => [
        name,
        String(stored.length),
        ms(median(stored)),
        ms(p95(stored)),
        ms(median(inserted)),
        ms(p95(inserted)),
        times(median(stored), median(inserted)),
        times(p95(stored), p95(inserted)),
      ]),
    )
  } finally {
    await bare.close()
  }
}

type Plan = { first: number; rounds: number; size: number; restMs?: number }

async function compare({ http }: Product, bare: Bare, { first, rounds, size, restMs = 0 }: Plan): Promise<{ stored: number[]; inserted: number[] }> {
  const stored: number[] = []
  const inserted: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = first + round * size
    const items = Array.from({ length: size }, (_, i) => memoryOf(start + i))
    if (restMs) await sleep(restMs)
    stored.push(await timed(() => (size === 1 ? http.post('/v1/memories', items[0]) : http.post('/v1/memories/bulk', { items }))))
    if (restMs) await sleep(restMs)
    inserted.push(await bare.insert(start, size))
  }
  return { stored, inserted }
}

const memoryOf = (i: number) => ({ text: textOf(i), user_id: `user-${i % 100}`, metadata: { source: 'bench', turn: i } })
