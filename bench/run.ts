/** `npm run bench -- <name> [--short] [--embedded] [--size N]`: brings up what it measures, prints Markdown tables, leaves nothing behind. */
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { asOf } from './as-of.ts'
import { backup } from './backup.ts'
import { breadth } from './breadth.ts'
import { chaos } from './chaos/chaos.ts'
import { cost } from './cost/cost.ts'
import { graph } from './graph.ts'
import { k6 } from './k6.ts'
import { languagesBench } from './languages/languages.ts'
import { load } from './load.ts'
import { neighbours } from './neighbours.ts'
import { outbox } from './outbox.ts'
import { peers } from './peers/peers.ts'
import { pipeline } from './pipeline.ts'
import { type Embedder, embedBy, openProduct, type Product } from './product.ts'
import { quality } from './quality.ts'
import { recall } from './recall.ts'
import { scale } from './scale/scale.ts'
import { soak } from './soak.ts'
import { store } from './store.ts'
import { transfer } from './transfer.ts'
import { upgrade } from './upgrade.ts'

/** `size` is how many memories, where a benchmark lets one choose; `data` a file of somebody else's, `out` a folder for a report. */
export type Options = {
  short: boolean
  embedded: boolean
  size: number | undefined
  data: string | undefined
  out: string | undefined
  embedder: Embedder | undefined
  check: boolean
}
const benchmarks: Record<string, (product: Product, options: Options, cleanUp: AsyncDisposableStack) => Promise<void>> = {
  store,
  load,
  recall,
  quality,
  languages: languagesBench,
  'as-of': asOf,
  scale,
  breadth,
  graph,
  transfer,
  backup,
  outbox,
  peers,
  k6,
}
/** These bring up what they need by themselves. */
const standing: Record<string, (options: Options, cleanUp: AsyncDisposableStack) => Promise<void>> = { pipeline, neighbours, soak, chaos, upgrade, cost }
const longestMinutes = 120

const usage = `usage: npm run bench -- <name> [--short] [--embedded] [--size N]
  store   one memory and fifty at a time over HTTP, beside bare inserts of the same columns
  load    100,000 memories in bulks of 500: how fast, how large, how much memory
  recall  the top 10 of one user among 100,000 memories, and how soon a store is indexed
  quality --data FILE  how much of the evidence for the questions of LoCoMo's file is found, and whether scores tell what was never mentioned
  languages  known texts in eight languages, asked for in other forms of their words, beside plain BM25
  as-of   what a recall as of an instant costs beside one of now, on 100,000 memories of five versions each
  scale   one tenant that grows to 1,000,000 memories: latency, size, beside stores, cold, the budget of words; draws docs/growth.svg (--data FILE: texts, a line each)
  breadth  how many of the ten nearest 1, 3, 6 and 12 HNSW graphs find, by how broadly each is searched (--data FILE --embedder …: by a real model)
  graph   neighbours and cheapest paths among 100,000 memories, 500,000 links and one hub of 100,000
  transfer  1,000,000 memories in and out as NDJSON: lines a second, memory of the server
  backup  1,000,000 memories into an archive and back, beside pg_dump -Fc and pg_restore of the same database; a drill of it; recalls meanwhile
  outbox  1,000,000 events through the outbox, with the sweep in between: does it stay flat
  peers   the same stores and searches through bare SQL, LangGraph's stores, mem0 and Soma, side by side on one PostgreSQL
  pipeline  from a store to its vector through a real Kafka: memories a second, beside raw produce and raw inserts; and the lag at half the rate
  neighbours  nine tenants beside a tenth who sends a hundred times as much, with RATE_LIMIT_TENANT: what becomes of their answers
  soak    20 minutes (2 with --short) of a steady load through a real Kafka: do memory, connections, tables and queues level off
  chaos   200 kills of the product's processes under load, with broker and database: is anything lost or doubled
  k6      bench/k6/load.js by the real k6 (built once, with Go): stores and recalls at a constant rate for two minutes, held to the promises; --out FOLDER keeps its report
  upgrade  the code before the newest migration serves on while it runs, beside the new code, and after a roll-back
  cost    what each stage of the AWS stack costs, of its own templates; writes docs/cost.md (--check: fails where that is old)
  --short     fewer repetitions and 10,000 memories: a smoke test, not a figure
  --size N    so many memories (thousands), for load, recall, as-of, transfer, backup, scale, breadth (vectors, 50,000), outbox (20,000 with --short) and peers (100,000; 500); so many kills, for chaos (24 with --short)
  --embedded  on the embedded engine instead of PostgreSQL 18 with fsync (20,000 memories)
  --embedder URL --model NAME --dimension N  embeds by a server with OpenAI's API (bench/minilm.py is one), behind the turn before it unless --context none
PostgreSQL is started for the run, unless POSTGRES_URL names a superuser's server.`

function parseCommandLine() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      short: { type: 'boolean', default: false },
      embedded: { type: 'boolean', default: false },
      size: { type: 'string' },
      data: { type: 'string' },
      out: { type: 'string' },
      embedder: { type: 'string' },
      model: { type: 'string' },
      dimension: { type: 'string' },
      context: { type: 'string' },
      check: { type: 'boolean', default: false },
    },
  })
  const size = values.size === undefined ? undefined : Number(values.size)
  const [name = ''] = positionals
  const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined
  const alone = Object.hasOwn(standing, name) ? standing[name] : undefined
  const { embedder: url, model, dimension, context } = values
  const embedder = url && model && dimension ? { url, model, dimension, context } : undefined
  if (
    !(benchmark || alone) ||
    positionals.length !== 1 ||
    Boolean(url ?? model ?? dimension ?? context) !== Boolean(embedder) ||
    (size !== undefined && !(Number.isInteger(size) && size > 0))
  )
    throw new Error(usage)
  return { name, benchmark, alone, options: { short: values.short, embedded: values.embedded, size, data: values.data, out: values.out, embedder, check: values.check } }
}

async function machineLine(product: Product, { short, embedder }: Options): Promise<string> {
  const [row] = await product.sql(`select split_part(version(), ' on ', 1) as version, current_setting('fsync') as fsync, current_setting('shared_buffers') as buffers`)
  const engine = product.embedded ? `${row?.version} embedded (PGlite: no fsync)` : `${row?.version}, fsync ${row?.fsync}, shared_buffers ${row?.buffers}`
  const vectors = embedder ? `${embedder.dimension} dimensions (${embedder.model}, ${embedder.context ?? 'previous-turn'})` : '384 dimensions (hash embedder)'
  return `${availableParallelism()} cores (${cpus()[0]?.model ?? process.arch}), Node ${process.versions.node}, ${engine}, loopback HTTP, ${vectors}${short ? ', --short' : ''}`
}

/** Rejects on Ctrl-C, SIGTERM, or when the run takes too long, so that the cleaning up happens all the same. */
function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error(`Ended by ${signal}.`)))
    setTimeout(() => reject(new Error(`Ended after ${longestMinutes} minutes.`)), longestMinutes * 60_000).unref()
  })
}

async function main(): Promise<void> {
  const { name, benchmark, alone, options } = parseCommandLine()
  await using cleanUp = new AsyncDisposableStack()
  const work = async () => {
    if (!benchmark) return alone?.(options, cleanUp)
    const product = await openProduct(options.embedded, cleanUp, options.embedder && embedBy(options.embedder))
    console.log(`bench ${name}: ${await machineLine(product, options)}`)
    await benchmark(product, options, cleanUp)
  }
  await Promise.race([work(), interruption()])
}

try {
  await main()
  process.exit(0)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
