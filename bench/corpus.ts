import { setTimeout as sleep } from 'node:timers/promises'
import type { Product } from './product.ts'
import type { Options } from './run.ts'
import { textOf } from './texts.ts'

export const users = 100
export const bulkSize = 500
/** What the measured users hold, whatever the corpus' size. */
export const largeUser = { id: 'user-0', memories: 5_000 } as const
export const smallUser = { id: 'user-1', memories: 1_000 } as const

export const sizeOf = ({ short, embedded, size }: Options) => size ?? (short ? 10_000 : embedded ? 20_000 : 100_000)

/** Of each run of n / 1,000 memories five are the large user's and one is the small one's; the rest is spread over the others. */
export function userOf(i: number, n: number): string {
  const place = i % (n / smallUser.memories)
  return place < 5 ? largeUser.id : place === 5 ? smallUser.id : `user-${2 + ((Math.imul(i, 2654435761) >>> 0) % (users - 2))}`
}
/** The number of the small (large) user's `k`th memory: a query made of it has something to find. */
export const memoryNumber = (user: string, k: number, n: number) => (user === largeUser.id ? Math.floor(k / 5) * (n / 1_000) + (k % 5) : k * (n / 1_000) + 5)

export type Loaded = { answeredSeconds: number; indexedSeconds: number }

/** Stores `n` memories in bulks, one bulk after the other, and waits until the last is indexed: they are indexed in their order. */
export async function loadCorpus({ http }: Product, n: number): Promise<Loaded> {
  const started = performance.now()
  let last = ''
  for (let first = 0; first < n; first += bulkSize) {
    const items = Array.from({ length: bulkSize }, (_, i) => ({ text: textOf(first + i), user_id: userOf(first + i, n), metadata: { source: 'bench', turn: first + i } }))
    const { results } = await http.post<{ results: { id: string }[] }>('/v1/memories/bulk', { items })
    last = results.at(-1)?.id ?? ''
  }
  const answeredSeconds = (performance.now() - started) / 1000
  while ((await http.get<{ index_state: string }>(`/v1/memories/${last}`)).index_state !== 'indexed') await sleep(100)
  return { answeredSeconds, indexedSeconds: (performance.now() - started) / 1000 }
}

/** Until nothing stored waits for its vector. */
export async function untilIndexed(product: Product): Promise<void> {
  for (;;) {
    const [row] = await product.sql('select exists (select from vector_pending) as waiting')
    if (!row?.waiting) return
    await sleep(250)
  }
}
