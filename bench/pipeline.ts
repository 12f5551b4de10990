import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { openBare } from './bare.ts'
import { type Broker, openBroker } from './broker.ts'
import { count, median, ms, p95, percentile, printTable, timed } from './figures.ts'
import { openProduct, type Product } from './product.ts'
import type { Options } from './run.ts'
import { textOf } from './texts.ts'

const clients = 16
/** The size of a batch of the drain: what raw produce and raw inserts are measured with too. */
const batch = 100

/**
 * From a store to its vector through a real Kafka, server and consumers in one process: how many memories a second are stored, published, projected and indexed when clients do
 * not pause, beside what raw produce and raw inserts reach in the same run; then, at half that rate, how long a store takes and when the memory is indexed.
 */
export async function pipeline(options: Options, cleanUp: AsyncDisposableStack): Promise<void> {
  const broker = await openBroker(cleanUp)
  const product = await openProduct(false, cleanUp, broker.environment)
  const seconds = options.short ? 5 : 30
  await storeFor(product, 2, 0)
  await drained(product)

  const produced = await rawProduce(broker, options.short ? 10_000 : 50_000)
  const inserted = await rawInserts(product, options.short ? 2_000 : 20_000)
  const full = await storeFor(product, seconds, 1_000_000)
  const done = await drained(product)
  const rate = full.times.length / full.seconds
  const since = (end: Date) => full.times.length / ((end.getTime() - full.began.getTime()) / 1000)
  printTable(
    `${count(full.times.length)} memories stored one by one by ${clients} clients through one Kafka node`,
    ['', 'memories a second', 'store p50', 'p95'],
    [
      ['stored (answered)', count(rate), ms(median(full.times)), ms(p95(full.times))],
      ['published and acknowledged', count(since(done.published)), '', ''],
      ['projected', count(since(done.projected)), '', ''],
      ['indexed', count(since(done.indexed)), '', ''],
      [`kafkajs alone, the same bytes in batches of ${batch}`, count(produced), '', ''],
      [`bare inserts of the same columns, ${batch} in a statement`, count(inserted.batched), '', ''],
      ['bare inserts, one in a statement, on one connection', count(inserted.single), '', ''],
    ],
  )

  const from = await now(product)
  const half = await storeAt(product, since(done.indexed) / 2, seconds, 2_000_000)
  await drained(product)
  const lags = await product.sql(lagText(from))
  const of = (name: string) => lags.map((row) => Number(row[name]))
  printTable(
    `The same at half the rate that was indexed (${count(since(done.indexed) / 2)} a second)`,
    ['', 'n', 'p50', 'p95', 'p99'],
    [
      ['store', count(half.length), ms(median(half)), ms(p95(half)), ms(percentile(half, 0.99))],
      ...(['projected', 'indexed'] as const).map((name) => [
        `from the commit of a store to its commit as ${name}`,
        count(lags.length),
        ms(median(of(name))),
        ms(p95(of(name))),
        ms(percentile(of(name), 0.99)),
      ]),
    ],
  )
}

const now = async (product: Product) => ((await product.sql('select clock_timestamp()::text as now'))[0] as { now: string }).now

/** The commit of a row's own transaction, as the server noted it. */
const lagText = (from: string) => `
  select extract(epoch from pg_xact_commit_timestamp(v.xmin) - pg_xact_commit_timestamp(m.xmin)) * 1000 as indexed,
    extract(epoch from pg_xact_commit_timestamp(e.xmin) - pg_xact_commit_timestamp(m.xmin)) * 1000 as projected
  from memories m join vectors v on v.tenant_id = m.tenant_id and v.memory_key = m.memory_key join memory_events e on e.tenant_id = m.tenant_id and e.id = m.id
  where m.recorded_at > '${from}'`

type Full = { times: number[]; seconds: number; began: Date }

/** All clients at once, one request after the other each. */
async function storeFor({ http }: Product, seconds: number, first: number): Promise<Full> {
  const times: number[] = []
  const began = new Date()
  const end = performance.now() + seconds * 1000
  let next = first
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < end) times.push(await timed(() => http.post('/v1/memories', { text: textOf(next++), user_id: `user-${next % 100}` })))
    }),
  )
  return { times, seconds: (Date.now() - began.getTime()) / 1000, began }
}

/** At a steady rate, whether the last was answered or not. */
async function storeAt({ http }: Product, perSecond: number, seconds: number, first: number): Promise<number[]> {
  const times: number[] = []
  const running: Promise<unknown>[] = []
  const began = performance.now()
  for (let i = 0; i < perSecond * seconds; i++) {
    await sleep(Math.max(0, began + (i * 1000) / perSecond - performance.now()))
    running.push(timed(() => http.post('/v1/memories', { text: textOf(first + i), user_id: `user-${i % 100}` })).then((time) => times.push(time)))
  }
  await Promise.all(running)
  return times
}

/** When the last of all that was stored was published, projected and indexed. */
async function drained({ sql }: Product): Promise<{ published: Date; projected: Date; indexed: Date }> {
  for (;;) {
    const [left] = await sql(
      `select (select count(*) from outbox where status <> 'sent')::integer + (select count(*) from vector_pending)::integer
         + (select count(*) from outbox o where not exists (select from memory_events e where e.tenant_id = o.tenant_id and e.event_id = o.event_id))::integer as n`,
    )
    if (left?.n === 0) break
    await sleep(200)
  }
  const [last] = await sql(
    `select (select max(pg_xact_commit_timestamp(xmin)) from outbox) as published, (select max(pg_xact_commit_timestamp(xmin)) from memory_events) as projected,
       (select max(pg_xact_commit_timestamp(xmin)) from vectors) as indexed`,
  )
  const at = (name: string) => new Date(last?.[name] as string)
  return { published: at('published'), projected: at('projected'), indexed: at('indexed') }
}

/** Records of an event's size with acks=all by the plain library: a second. */
async function rawProduce({ kafka, topic }: Broker, howMany: number): Promise<number> {
  const name = `${topic}.raw`
  const client = new kafkajs.Kafka({ brokers: [kafka.bootstrapServers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: name, numPartitions: 6, replicationFactor: 1 }], waitForLeaders: true })
  await admin.disconnect()
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner, idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const took = await timed(async () => {
    for (let first = 0; first < howMany; first += batch) {
      const messages = Array.from({ length: batch }, (_, i) => ({ key: `1:${first + i}`, value: JSON.stringify({ payload: { text: textOf(first + i) } }) }))
      await producer.send({ topic: name, acks: -1, messages })
    }
  })
  await producer.disconnect()
  return howMany / (took / 1000)
}

async function rawInserts(product: Product, howMany: number): Promise<{ batched: number; single: number }> {
  const bare = await openBare(product)
  try {
    const rate = async (total: number, size: number) => {
      let took = 0
      for (let first = 0; first < total; first += size) took += await bare.insert(first, size)
      return total / (took / 1000)
    }
    return { batched: await rate(howMany, batch), single: await rate(Math.ceil(howMany / 20), 1) }
  } finally {
    await bare.close()
  }
}
