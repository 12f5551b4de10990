import { writeFile } from 'node:fs/promises'
import { parseConfig } from '../../shared/config/index.ts'
import { createEmbedder, type Embedder } from '../../shared/embed/index.ts'
import { count, megabytes, ms, printTable, timed } from '../figures.ts'
import { embedBy, type Product } from '../product.ts'
import type { Options } from '../run.ts'
import { takeTexts } from '../texts.ts'
import { printBeside, printBudget, printCold, printProfile } from './extras.ts'
import { drawGrowth } from './growth.ts'
import { type Latency, latency, type Mode, vectorRecall } from './measure.ts'
import { type Loaded, loadStage, type Stage, stagesOf, type User } from './stages.ts'

type Measured = {
  stage: Stage
  loaded: Loaded
  small: Latency
  smallVector: Latency
  large: Latency | undefined
  tenant: Latency
  tenantVector: Latency
  recall: { small: number; tenant: number }
  bytes: { tables: number; words: number; graph: number }
  rss: number
}

/** One tenant that grows: latency of a user's memories and of the whole, size, and at its largest what stores beside it, cold caches and the budget of words do. */
export async function scale(product: Product, { short, size, data, embedder: model }: Options): Promise<void> {
  if (!product.adminUrl) throw new Error('This benchmark looks into a real Postgres: leave --embedded away.')
  const largest = size ?? (short ? 20_000 : 1_000_000)
  const all = [...[10_000, 20_000, 100_000].filter((one) => one < largest), largest]
  const n = short ? 60 : 300
  if (data !== undefined) takeTexts(data)
  const embedder = createEmbedder(parseConfig(model ? embedBy(model) : { EMBEDDING_DIM: '384' }))
  const measured: Measured[] = []
  for (const stage of stagesOf(all)) {
    const loaded = await loadStage(product, stage, stage.from < 20_000 ? 1 : 2)
    console.error(`${count(stage.size)} memories are indexed (${loaded.indexedSeconds.toFixed(0)} s) …`)
    await settle(product)
    measured.push(await measure(product, stage, loaded, { n, seconds: short ? 2 : 5, embedder }))
    if (stage.size === 20_000) await printProfile(product, stage.small, n)
  }
  printLatency(measured)
  printGrowth(measured)
  const last = (measured.at(-1) as Measured).stage
  if (!short && size === undefined && data === undefined) {
    await writeFile('docs/growth.svg', drawGrowth(all, chartsOf(measured)))
    console.log('\ndocs/growth.svg is drawn anew.')
  }
  await printBudget(product, last.size, short ? 20 : 100)
  await printBeside(product, last, n)
  await printCold(product, last, short ? 20 : 60)
}

/** What a minute of autovacuum and of the scheduled jobs does. */
async function settle(product: Product): Promise<void> {
  await product.job('rollup-usage')
  await product.sql('vacuum (analyze)')
  console.error(`… what its graphs lacked was built in ${((await timed(() => product.job('build-ann'))) / 1000).toFixed(0)} s`)
  await product.job('rollup-usage')
  await product.sql('checkpoint')
}

async function measure(product: Product, stage: Stage, loaded: Loaded, how: { n: number; seconds: number; embedder: Embedder }): Promise<Measured> {
  const of = (user: User | number, mode: Mode) => latency(product, user, mode, how)
  return {
    stage,
    loaded,
    small: await of(stage.small, 'hybrid'),
    smallVector: await of(stage.small, 'vector'),
    large: stage.large && (await of(stage.large, 'hybrid')),
    tenant: await of(stage.size, 'hybrid'),
    tenantVector: await of(stage.size, 'vector'),
    recall: { small: await vectorRecall(product, how.embedder, stage.small, how.n / 6), tenant: await vectorRecall(product, how.embedder, stage.size, how.n / 6) },
    bytes: await bytesOf(product),
    rss: await product.rss(),
  }
}

async function bytesOf(product: Product): Promise<Measured['bytes']> {
  const [row] = await product.sql(
    `select sum(pg_total_relation_size(c.oid)) filter (where c.relkind = 'r') as tables,
       sum(pg_total_relation_size(c.oid)) filter (where c.relkind = 'r' and c.relname ~ '^postings_p') as words,
       coalesce(sum(pg_relation_size(c.oid)) filter (where c.relname ~ '^vectors_ann_'), 0) as graph
     from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'i')`,
  )
  return { tables: Number(row?.tables), words: Number(row?.words), graph: Number(row?.graph) }
}

const latencyRow = (name: string, one: Latency) => [name, ms(one.p50), ms(one.p95), ms(one.p99), count(one.alone), count(one.together), ms(one.togetherP95)]

function printLatency(measured: readonly Measured[]): void {
  printTable(
    'Top 10 over HTTP, warm, one after the other; recalls a second by 1 and by 16 clients',
    ['', 'p50', 'p95', 'p99', '1 client', '16 clients', 'their p95'],
    measured.flatMap(({ stage, small, smallVector, large, tenant, tenantVector }) => [
      latencyRow(`hybrid, a user's 1,000 of ${count(stage.size)}`, small),
      latencyRow(`vector, a user's 1,000 of ${count(stage.size)}`, smallVector),
      ...(large ? [latencyRow(`hybrid, a user's 10,000 of ${count(stage.size)}`, large)] : []),
      latencyRow(`hybrid, the whole tenant of ${count(stage.size)}`, tenant),
      latencyRow(`vector, the whole tenant of ${count(stage.size)}`, tenantVector),
    ]),
  )
}

function printGrowth(measured: readonly Measured[]): void {
  printTable(
    'Loading in bulks of 500, and what it takes',
    [
      'memories',
      'answered a second',
      'indexed a second',
      'answered after',
      'indexed after',
      'bytes a memory',
      'of them words',
      'of them graph',
      "server's memory",
      'vector recall@10: a user',
      'the tenant',
    ],
    measured.map(({ stage, loaded, bytes, rss, recall }) => [
      count(stage.size),
      count((stage.size - stage.from) / loaded.answeredSeconds),
      count((stage.size - stage.from) / loaded.indexedSeconds),
      `${loaded.answeredSeconds.toFixed(1)} s`,
      `${loaded.indexedSeconds.toFixed(1)} s`,
      count(bytes.tables / stage.size),
      count(bytes.words / stage.size),
      count(bytes.graph / stage.size),
      megabytes(rss),
      recall.small.toFixed(3),
      recall.tenant.toFixed(3),
    ]),
  )
}

const chartsOf = (measured: readonly Measured[]) => [
  {
    title: 'a recall, p50',
    unit: ' ms',
    series: [
      { name: "hybrid, a user's 1,000", values: measured.map(({ small }) => small.p50) },
      { name: "hybrid, a user's 10,000", values: measured.map(({ large }) => large?.p50) },
      { name: 'hybrid, the whole tenant', values: measured.map(({ tenant }) => tenant.p50) },
      { name: 'vector, the whole tenant', values: measured.map(({ tenantVector }) => tenantVector.p50) },
    ],
  },
  {
    title: 'on disk, and memory of the server',
    unit: ' MB',
    series: [
      { name: 'all tables and indexes', values: measured.map(({ bytes }) => bytes.tables / 1e6) },
      { name: 'of them words', values: measured.map(({ bytes }) => bytes.words / 1e6) },
      { name: 'of them the graph of vectors', values: measured.map(({ bytes }) => (bytes.graph ? bytes.graph / 1e6 : undefined)) },
      { name: 'resident memory of the server', values: measured.map(({ rss }) => rss / 1e6) },
    ],
  },
]
