import pg from 'pg'
import { parseConfig } from '../shared/config/index.ts'
import { createEmbedder, type Embedder, vectorText } from '../shared/embed/index.ts'
import { candidates } from '../shared/recall/weights.ts'
import { count, median, ms, printTable, timed } from './figures.ts'
import { embedBy, type Product } from './product.ts'
import type { Options } from './run.ts'
import { takeTexts, textOf } from './texts.ts'

const graphCounts = [1, 3, 6, 12]
const breadths = [40, 60, 100, 200]
const nearest = 10
const atOnce = 256

/**
 * How many of the ten nearest a scope's HNSW graphs find, by how many there are and how broadly each is searched: a bare table with the same vectors in partial indexes by ranges, as the job build-ann makes them, and the
 * statement that recall asks. With a real model: --data FILE --embedder URL --model NAME --dimension N --context none.
 */
export async function breadth(product: Product, { short, size, data, embedder: model }: Options, cleanUp: AsyncDisposableStack): Promise<void> {
  if (!product.adminUrl) throw new Error('This benchmark builds indexes in a real Postgres: leave --embedded away.')
  if (data !== undefined) takeTexts(data)
  const embedder = createEmbedder(parseConfig(model ? embedBy(model) : { EMBEDDING_DIM: '384' }))
  const [n, asked] = [size ?? (short ? 5_000 : 50_000), short ? 20 : 100]
  const client = new pg.Client({ connectionString: product.adminUrl })
  await client.connect()
  cleanUp.defer(() => client.end())
  await client.query(`create table bench_vectors (id integer primary key, embedding halfvec(${embedder.dimension}) not null)`)
  for (let first = 0; first < n; first += atOnce) {
    const vectors = await embed(embedder, first, Math.min(atOnce, n - first))
    await client.query('insert into bench_vectors select $1::integer + i - 1, v::halfvec from unnest($2::text[]) with ordinality u (v, i)', [first, vectors])
  }
  await client.query(`set maintenance_work_mem = '1GB'; set max_parallel_workers_per_gather = 0; analyze bench_vectors`)
  const questions = await embed(embedder, n, asked)
  const exact: Set<number>[] = []
  for (const question of questions)
    exact.push(new Set((await client.query(`select id from bench_vectors order by embedding <=> $1::halfvec limit ${nearest}`, [question])).rows.map(({ id }) => id)))
  const rows: string[][] = []
  for (const graphs of graphCounts) {
    const bounds = Array.from({ length: graphs + 1 }, (_, i) => Math.round((i * n) / graphs))
    const within = (i: number) => `id >= ${bounds[i]} and id < ${bounds[i + 1]}`
    for (let i = 0; i < graphs; i++) await client.query(`create index bench_graph_${i} on bench_vectors using hnsw (embedding halfvec_cosine_ops) where ${within(i)}`)
    for (const each of breadths) {
      await client.query(`set enable_seqscan = off; set hnsw.iterative_scan = relaxed_order; set hnsw.ef_search = ${each}`)
      const part = (i: number) =>
        `(select id, embedding <=> $1::halfvec as d from bench_vectors where ${within(i)} order by embedding <=> $1::halfvec limit ${Math.min(each, candidates.nearest)})`
      const text = `select id from (${Array.from({ length: graphs }, (_, i) => part(i)).join(' union all ')}) u order by d limit ${nearest}`
      let found = 0
      const times: number[] = []
      for (const [k, question] of questions.entries()) {
        times.push(
          await timed(async () => {
            const { rows: near } = await client.query(text, [question])
            found += near.filter(({ id }) => exact[k]?.has(id)).length
          }),
        )
      }
      rows.push([String(graphs), String(each), (found / (asked * nearest)).toFixed(3), ms(median(times))])
    }
    for (let i = 0; i < graphs; i++) await client.query(`drop index bench_graph_${i}`)
  }
  printTable(`${count(n)} vectors, ${asked} questions, the ten nearest`, ['graphs', 'breadth of each', 'found of the ten nearest', 'p50'], rows)
}

async function embed(embedder: Embedder, first: number, howMany: number): Promise<string[]> {
  const texts = Array.from({ length: howMany }, (_, i) => textOf(first + i))
  return (await embedder.embed(texts, { tenant: 'bench', signal: undefined, purpose: 'document' })).map((vector) => vectorText(vector as Float32Array))
}
