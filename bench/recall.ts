import { setTimeout as sleep } from 'node:timers/promises'
import { largeUser, loadCorpus, memoryNumber, sizeOf, smallUser, users } from './corpus.ts'
import { count, median, ms, p95, printTable, timed } from './figures.ts'
import type { Http } from './http.ts'
import type { Product } from './product.ts'
import type { Options } from './run.ts'
import { queryFor, textOf } from './texts.ts'

const modes = ['hybrid', 'lexical', 'vector'] as const
const clients = 16
type User = typeof smallUser | typeof largeUser

/** The top 10 of one user, sequentially and by many clients at once, and how soon a store is indexed. */
export async function recall(product: Product, options: Options): Promise<void> {
  const n = sizeOf(options)
  await loadCorpus(product, n)
  // what autovacuum does within minutes of a load: statistics for the plans, and the visibility map for index-only scans
  await product.sql('vacuum (analyze)')
  const queries = options.short ? 100 : 300
  const rows: string[][] = []
  for (const user of [smallUser, largeUser]) {
    for (const mode of modes) {
      await search(product.http, user, mode, n, { first: queries, queries: 30 })
      const { times, found } = await search(product.http, user, mode, n, { first: 0, queries })
      rows.push([`${mode}, ${count(user.memories)} of ${count(n)}`, String(queries), ms(median(times)), ms(p95(times)), `${Math.round(100 * found)} %`])
    }
  }
  printTable(`Top 10 of one user among ${count(n)} memories of ${users} users, over HTTP, one after the other, warm`, ['', 'n', 'p50', 'p95', 'asked-for memory among them'], rows)
  const together = await throughput(product.http, n, options.short ? 3 : 10)
  const lag = await indexLag(product.http, 50)
  printTable(
    'Together, and after a store',
    ['', '', 'p50', 'p95'],
    [
      [`hybrid recalls a second, ${clients} clients, ${count(smallUser.memories)} of ${count(n)}`, count(together.perSecond), ms(median(together.times)), ms(p95(together.times))],
      ['from a store\'s answer to index_state "indexed"', `n = ${lag.length}`, ms(median(lag)), ms(p95(lag))],
    ],
  )
}

type Recalled = { results: { text: string }[] }

async function search(http: Http, user: User, mode: (typeof modes)[number], n: number, { first, queries }: { first: number; queries: number }) {
  const times: number[] = []
  let found = 0
  for (let k = first; k < first + queries; k++) {
    const wanted = memoryNumber(user.id, k, n)
    const body = { query: queryFor(wanted), user_id: user.id, mode, top_k: 10 }
    let answer: Recalled = { results: [] }
    times.push(await timed(async () => (answer = await http.post<Recalled>('/v1/recall', body))))
    const text = textOf(wanted)
    if (answer.results.some((result) => result.text === text)) found++
  }
  return { times, found: found / queries }
}

async function throughput(http: Http, n: number, seconds: number): Promise<{ perSecond: number; times: number[] }> {
  const times: number[] = []
  const started = performance.now()
  const until = started + seconds * 1000
  let k = 0
  const client = async () => {
    while (performance.now() < until) {
      const query = queryFor(memoryNumber(smallUser.id, k++ % smallUser.memories, n))
      times.push(await timed(() => http.post('/v1/recall', { query, user_id: smallUser.id, top_k: 10 })))
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return { perSecond: (1000 * times.length) / (performance.now() - started), times }
}

async function indexLag(http: Http, stores: number): Promise<number[]> {
  const times: number[] = []
  for (let k = 0; k < stores; k++) {
    const { id } = await http.post<{ id: string }>('/v1/memories', { text: textOf(1_000_000 + k), user_id: smallUser.id })
    times.push(
      await timed(async () => {
        while ((await http.get<{ index_state: string }>(`/v1/memories/${id}`)).index_state !== 'indexed') await sleep(2)
      }),
    )
    await sleep(50)
  }
  return times
}
