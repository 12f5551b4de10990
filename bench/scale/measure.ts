import { setTimeout as sleep } from 'node:timers/promises'
import { type Embedder, vectorText } from '../../shared/embed/index.ts'
import { median, percentile, timed } from '../figures.ts'
import type { Product } from '../product.ts'
import { queryFor, textOf } from '../texts.ts'
import type { User } from './stages.ts'

const together = 16
const bulk = 50
export type Mode = 'hybrid' | 'vector'
/** Milliseconds; `alone` and `together`: recalls a second of 1 and 16 clients. */
export type Latency = { p50: number; p95: number; p99: number; alone: number; together: number; togetherP95: number }
export type Asked = { body: { query: string; user_id?: string }; wanted: number }

/** The `k`th question of a user, or of nobody in particular to the whole tenant of so many memories. */
export function question(of: User | number, k: number): Asked {
  if (typeof of === 'number') {
    const wanted = (Math.imul(k + 1, 2654435761) >>> 0) % of
    return { body: { query: queryFor(wanted) }, wanted }
  }
  const wanted = of.numberOf(k % of.memories)
  return { body: { query: queryFor(wanted), user_id: of.id }, wanted }
}

type Recalled = { results: { id: string; text: string }[] }
export const recall = ({ http }: Product, body: Asked['body'], mode: Mode) => http.post<Recalled>('/v1/recall', { ...body, mode, top_k: 10 })

/** Warm: one after the other, and then by 16 clients at once. */
export async function latency(product: Product, of: User | number, mode: Mode, { n, seconds }: { n: number; seconds: number }): Promise<Latency> {
  for (let k = 0; k < n / 10; k++) await recall(product, question(of, n + k).body, mode)
  const times = await oneByOne(product, of, mode, n)
  const busy: number[] = []
  const started = performance.now()
  const until = started + seconds * 1000
  let k = 0
  const client = async () => {
    while (performance.now() < until) busy.push(await timed(() => recall(product, question(of, k++).body, mode)))
  }
  await Promise.all(Array.from({ length: together }, client))
  const perSecond = (1000 * busy.length) / (performance.now() - started)
  return { ...spread(times), alone: (1000 * times.length) / times.reduce((sum, one) => sum + one, 0), together: perSecond, togetherP95: percentile(busy, 0.95) }
}

export const spread = (times: readonly number[]) => ({ p50: median(times), p95: percentile(times, 0.95), p99: percentile(times, 0.99) })

export async function oneByOne(product: Product, of: User | number, mode: Mode, n: number): Promise<number[]> {
  const times: number[] = []
  for (let k = 0; k < n; k++) times.push(await timed(() => recall(product, question(of, k).body, mode)))
  return times
}

/** Of the ten nearest by cosine, computed over every vector of the scope by a plain statement, the share that recall answers. */
export async function vectorRecall(product: Product, embedder: Embedder, of: User | number, n: number): Promise<number> {
  let found = 0
  for (let k = 0; k < n; k++) {
    const asked = question(of, k)
    const [vector] = await embedder.embed([asked.body.query], { tenant: 'bench', signal: undefined, purpose: 'query' })
    const own = typeof of === 'number' ? '' : `where v.user_key = (select s.scope_key from scopes s where s.user_id = '${of.id}')`
    const exact = await product.sql(
      `select m.id from (select v.tenant_id, v.memory_key from vectors v ${own} order by v.embedding <=> '${vectorText(vector as Float32Array)}' limit 10) v
       join memories m on m.tenant_id = v.tenant_id and m.memory_key = v.memory_key`,
    )
    const ids = new Set(exact.map(({ id }) => id))
    const { results } = await recall(product, asked.body, 'vector')
    found += results.filter(({ id }) => ids.has(id)).length / ids.size
  }
  return found / n
}

/** What `n` questions answer: ids, whether the memory that a question was made of is among them, and how long it took. */
export async function answers(product: Product, of: User | number, n: number): Promise<{ ids: string[]; found: boolean; time: number }[]> {
  const lists: { ids: string[]; found: boolean; time: number }[] = []
  for (let k = 0; k < n; k++) {
    const { body, wanted } = question(of, k)
    let results: Recalled['results'] = []
    const time = await timed(async () => {
      results = (await recall(product, body, 'hybrid')).results
    })
    lists.push({ ids: results.map(({ id }) => id), found: results.some(({ text }) => text === textOf(wanted)), time })
  }
  return lists
}

/** Stores so many memories a second in bulks of 50, each begun at its time, until ended. */
export function storing({ http }: Product, perSecond: number, from: number) {
  let running = true
  let sent = 0
  const pending: Promise<unknown>[] = []
  const started = performance.now()
  const loop = (async () => {
    while (running) {
      await sleep(Math.max(0, started + (1000 * sent) / perSecond - performance.now()))
      const first = from + sent
      const items = Array.from({ length: bulk }, (_, i) => ({ text: textOf(first + i), user_id: `storing-${(first + i) % 100}` }))
      sent += bulk
      const stored = http.post('/v1/memories/bulk', { items })
      stored.catch(() => {}) // told at the end
      pending.push(stored)
    }
    await Promise.all(pending)
  })()
  return {
    async end(): Promise<{ perSecond: number; sent: number }> {
      running = false
      await loop
      return { perSecond: (1000 * sent) / (performance.now() - started), sent }
    },
  }
}
