import { setTimeout as sleep } from 'node:timers/promises'
import { openBroker } from './broker.ts'
import { count, megabytes, printTable } from './figures.ts'
import { openProduct, type Product } from './product.ts'
import type { Options } from './run.ts'
import { queryFor, textOf } from './texts.ts'

const perSecond = 30
/** So many memories are there once it runs: each store beyond forgets the oldest. Every third changes one of so many coords. */
const kept = 2_000
const coords = 500
const samples = 16

type Sample = { second: number; writes: number; rss: number; connections: number; unsent: number; unindexed: number; present: number; history: number; passing: number }
type Measure = Exclude<keyof Sample, 'second' | 'writes'>
/** What must not be larger in the last quarter of the run than in the one before, but for so much. */
const level: { measure: Measure; name: string; slack: number; sized?: true }[] = [
  { measure: 'rss', name: 'resident memory of the server', slack: 24 * 2 ** 20, sized: true },
  { measure: 'connections', name: 'database connections', slack: 2 },
  { measure: 'unsent', name: 'outbox rows not sent', slack: 100 },
  { measure: 'unindexed', name: 'memories not indexed', slack: 100 },
  { measure: 'present', name: 'tables of the present and their indexes', slack: 16 * 2 ** 20, sized: true },
]

/**
 * A steady load on a number of memories that does not grow, through a real Kafka, for 20 minutes (2 with --short): what should level off must have done so by the last quarter.
 * @throws Error that names what has not
 */
export async function soak(options: Options, cleanUp: AsyncDisposableStack): Promise<void> {
  const broker = await openBroker(cleanUp)
  const product = await openProduct(false, cleanUp, broker.environment)
  const seconds = options.short ? 120 : 1_200
  const load = startLoad(product)
  const taken: Sample[] = []
  for (let i = 1; i <= samples; i++) {
    await sleep((seconds * 1000) / samples)
    taken.push({ second: (seconds * i) / samples, writes: load.writes(), ...(await measure(product)) })
  }
  await load.end()
  printTable(
    `${seconds / 60} minutes at ${perSecond} requests a second: ${count(load.writes())} writes, ${count(load.failures.length)} of ${count(load.requests())} requests failed`,
    ['second', 'resident', 'connections', 'not sent', 'not indexed', 'present', 'history', 'outbox, events, audit'],
    taken.map((one) => [
      count(one.second),
      megabytes(one.rss),
      count(one.connections),
      count(one.unsent),
      count(one.unindexed),
      ...[one.present, one.history, one.passing].map(megabytes),
    ]),
  )
  const faults = load.failures.slice(0, 5)
  for (const { measure: what, name, slack, sized } of level) {
    // a table's size follows autovacuum, which looks once a minute: two minutes show nothing
    if (options.short && sized) continue
    const mean = (from: number) => taken.slice(from, from + samples / 4).reduce((sum, one) => sum + one[what], 0) / (samples / 4)
    const [before, last] = [mean(samples / 2), mean((samples * 3) / 4)]
    if (last > before * 1.05 + slack) faults.push(`${name} still grows: ${Math.round(before)} in the third quarter, ${Math.round(last)} in the last.`)
  }
  if (faults.length) throw new Error(faults.join('\n'))
}

async function measure({ sql, rss }: Product): Promise<Omit<Sample, 'second' | 'writes'>> {
  const size = (...tables: string[]) =>
    `(select sum(pg_total_relation_size(i.inhrelid)) from pg_inherits i where i.inhparent in (${tables.map((table) => `'${table}'::regclass`).join(', ')}))::float8`
  const [row] = await sql(
    `select (select count(*) from pg_stat_activity where datname = current_database())::integer as connections,
       (select count(*) from outbox where status <> 'sent')::integer as unsent, (select count(*) from vector_pending)::integer as unindexed,
       ${size('memories', 'postings', 'vectors')} as present, ${size('memory_versions', 'closed_postings', 'closed_vectors')} as history, ${size('outbox', 'memory_events', 'audit_log')} as passing`,
  )
  return { rss: await rss(), ...(row as Omit<Sample, 'second' | 'writes' | 'rss'>) }
}

type Load = { writes(): number; requests(): number; failures: string[]; end(): Promise<void> }

function startLoad({ http }: Product): Load {
  const ids: string[] = []
  const failures: string[] = []
  const running = new Set<Promise<void>>()
  let requests = 0
  let writes = 0
  let ended = false

  async function step(n: number): Promise<void> {
    const user_id = `user-${n % 50}`
    if (n % 5 === 4) return void (await http.post('/v1/recall', { query: queryFor(Math.max(0, n - 20)), user_id: `user-${(n - 20 + 50) % 50}`, top_k: 10 }))
    const coord = n % 3 === 0 ? { coord: String(n % coords) } : {}
    const { id } = await http.post<{ id: string }>('/v1/memories', { text: textOf(n), user_id, ...coord })
    writes += 1
    if (!('coord' in coord)) ids.push(id)
    const oldest = ids.length > kept ? ids.shift() : undefined
    if (oldest) {
      await http.delete(`/v1/memories/${oldest}`)
      writes += 1
    }
  }

  const going = (async () => {
    const began = performance.now()
    for (let n = 0; !ended; n++) {
      await sleep(Math.max(0, began + (n * 1000) / perSecond - performance.now()))
      requests += 1
      const one: Promise<void> = step(n)
        .catch((error) => void failures.push(error instanceof Error ? error.message : String(error)))
        .finally(() => running.delete(one))
      running.add(one)
    }
  })()
  return {
    writes: () => writes,
    requests: () => requests,
    failures,
    async end() {
      ended = true
      await going
      await Promise.all(running)
    },
  }
}
