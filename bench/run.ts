/** `npm run bench -- <name> [--short] [--embedded]`: brings up what it measures, prints Markdown tables, leaves nothing behind. */
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { load } from './load.ts'
import { openProduct, type Product } from './product.ts'
import { recall } from './recall.ts'
import { store } from './store.ts'

export type Options = { short: boolean; embedded: boolean }
const benchmarks: Record<string, (product: Product, options: Options) => Promise<void>> = { store, load, recall }
const longestMinutes = 30

const usage = `usage: npm run bench -- <name> [--short] [--embedded]
  store   one memory and fifty at a time over HTTP, beside bare inserts of the same columns
  load    100,000 memories in bulks of 500: how fast, how large, how much memory
  recall  the top 10 of one user among 100,000 memories, and how soon a store is indexed
  --short     fewer repetitions and 10,000 memories: a smoke test, not a figure
  --embedded  on the embedded engine instead of PostgreSQL 18 with fsync (20,000 memories)
PostgreSQL is started for the run, unless POSTGRES_URL names a superuser's server.`

function parseCommandLine() {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { short: { type: 'boolean', default: false }, embedded: { type: 'boolean', default: false } } })
  const [name = ''] = positionals
  const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined
  if (!benchmark || positionals.length !== 1) throw new Error(usage)
  return { name, benchmark, options: values }
}

async function machineLine(product: Product, { short }: Options): Promise<string> {
  const [row] = await product.sql(`select split_part(version(), ' on ', 1) as version, current_setting('fsync') as fsync, current_setting('shared_buffers') as buffers`)
  const engine = product.embedded ? `${row?.version} embedded (PGlite: no fsync)` : `${row?.version}, fsync ${row?.fsync}, shared_buffers ${row?.buffers}`
  return `${availableParallelism()} cores (${cpus()[0]?.model ?? process.arch}), Node ${process.versions.node}, ${engine}, loopback HTTP, 384 dimensions (hash embedder)${short ? ', --short' : ''}`
}

/** Rejects on Ctrl-C, SIGTERM, or when the run takes too long, so that the cleaning up happens all the same. */
function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error(`Ended by ${signal}.`)))
    setTimeout(() => reject(new Error(`Ended after ${longestMinutes} minutes.`)), longestMinutes * 60_000).unref()
  })
}

async function main(): Promise<void> {
  const { name, benchmark, options } = parseCommandLine()
  await using cleanUp = new AsyncDisposableStack()
  const work = async () => {
    const product = await openProduct(options.embedded, cleanUp)
    console.log(`bench ${name}: ${await machineLine(product, options)}`)
    await benchmark(product, options)
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
