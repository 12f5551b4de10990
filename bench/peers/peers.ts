import { join } from 'node:path'
import pg from 'pg'
import { untilIndexed } from '../corpus.ts'
import { count, timed } from '../figures.ts'
import { createScratch, type Product } from '../product.ts'
import type { Options } from '../run.ts'
import { programs } from './install.ts'
import { type Adapter, startAdapter } from './process.ts'
import { atMost } from './protocol.ts'
import { printReport } from './report.ts'
import { bulks, type Judge, type Judged, loaded, questions, type Size, singles, stored, writeVectors } from './work.ts'

/** A way of searching, and whether it ranks by the vector alone: only then is the exact order the right one. */
export type Way = { name: string; mode?: string; exact: boolean }
/** Milliseconds of each search, alone and 16 at once; seconds of the latter. */
export type Searched = { ms: number[]; together: number[]; seconds: number; judged: Judged[] }
/** What was measured of one peer; `searched` by stage and the way's name. */
export type Peer = {
  name: string
  /** Its package and version. */
  of: string
  ways: Way[]
  database: string
  adapter: Adapter
  load?: { seconds: number; indexedSeconds?: number }
  stored: { ms: number[]; together: number[]; seconds: number }
  growSeconds: number
  searched: Map<string, Searched>[]
  bytes: number[]
  rss: number
}

const full: Size = { users: 20, each: 1_000, total: 100_000, singles: 300, together: 1_600, searches: 300, searchesTogether: 1_600, rounds: 4, warm: 32 }
const small: Size = { users: 4, each: 50, total: 500, singles: 16, together: 32, searches: 20, searchesTogether: 32, rounds: 2, warm: 16 }
/** Calls of one line to an adapter, while it grows. */
const callsAtOnce = 200

const ways: Record<string, Way[]> = {
  'langgraph-js': [
    { name: 'langgraph-js', exact: true },
    { name: 'langgraph-js, hybrid', mode: 'hybrid', exact: false },
  ],
  soma: [
    { name: 'soma (hybrid)', exact: false },
    { name: 'soma, vector', mode: 'vector', exact: true },
  ],
}

/** The same work through Soma and through what one would take instead, in turn, on one PostgreSQL: a database each. */
export async function peers(product: Product, options: Options, cleanUp: AsyncDisposableStack): Promise<void> {
  if (!product.adminUrl) throw new Error('This benchmark compares on a real Postgres: leave --embedded away.')
  const size = sizeOf(options)
  console.error('vectors of all texts are computed …')
  const vectors = join(product.folder, 'vectors.f32')
  const judge = await writeVectors(vectors, size)
  const away: string[] = []
  const all: Peer[] = []
  for (const name of Object.keys(programs)) await orAway(name, away, async () => void all.push(await openPeer(name, product, vectors, cleanUp)))
  const run = { product, size, judge, away, all }
  await each(run, 'loads', (peer) => load(peer, run))
  await settle(run)
  await search(run, 0)
  await store(run)
  await each(run, 'grows', (peer) => grow(peer, run))
  await settle(run)
  await search(run, 1)
  printReport(all, size, away)
}

type Run = { product: Product; size: Size; judge: Judge; away: string[]; all: Peer[] }

function sizeOf({ short, size }: Options): Size {
  const chosen = short ? small : full
  const total = size ?? chosen.total
  const least = loaded(chosen) + stored(chosen)
  if (total <= least) throw new Error(`This benchmark loads and stores ${count(least)} memories before it grows to --size: give more.`)
  return { ...chosen, total }
}

/** A peer that cannot be had, or that fails, is told about, and the others go on. */
async function orAway(name: string, away: string[], work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).trim()
    const lines = reason.split('\n')
    // a stack of JavaScript begins with what happened, one of Python ends with it
    away.push(`${name}: ${[...new Set([lines[0], lines.at(-1)])].join(' … ')}`)
    console.error(`${name} is away: ${reason}`)
  }
}

async function openPeer(name: string, product: Product, vectors: string, cleanUp: AsyncDisposableStack): Promise<Peer> {
  const program = await (programs[name] as (typeof programs)[string])()
  const admin = product.adminUrl as string
  const database = name === 'soma' ? admin : (await createScratch(admin, cleanUp)).adminUrl
  const adapter = await startAdapter(program, [name, name === 'soma' ? product.url : database, vectors, product.folder], product.folder, cleanUp)
  const nothing = { stored: { ms: [], together: [], seconds: 0 }, growSeconds: 0, searched: [], bytes: [], rss: Number.NaN }
  return { name, of: program.of, ways: ways[name] ?? [{ name, exact: true }], database, adapter, ...nothing }
}

/** One peer after the other; what Soma has yet to index is none of the next one's burden. */
async function each({ product, away, all }: Run, what: string, work: (peer: Peer) => Promise<void>): Promise<void> {
  for (const peer of [...all]) {
    console.error(`${peer.name} ${what} …`)
    const before = away.length
    await orAway(peer.name, away, () => work(peer))
    if (away.length > before) all.splice(all.indexOf(peer), 1)
    if (peer.name === 'soma') await untilIndexed(product)
  }
  if (all.length === 0) throw new Error('No peer is left to be measured.')
}

const sum = (values: readonly number[]) => values.reduce((total, one) => total + one, 0)

async function load(peer: Peer, { product, size }: Run): Promise<void> {
  const { ms } = await peer.adapter.run({ verb: 'store', atOnce: 1, warm: 0, operations: bulks(0, loaded(size), size) })
  const seconds = sum(ms) / 1000
  if (peer.name !== 'soma') peer.load = { seconds }
  else peer.load = { seconds, indexedSeconds: seconds + (await timed(() => untilIndexed(product))) / 1000 }
}

/** What a minute of autovacuum does, and of Soma's scheduled jobs. */
async function settle(run: Run): Promise<void> {
  await each(run, 'is vacuumed', async (peer) => {
    if (peer.name === 'soma') for (const job of ['rollup-usage', 'build-ann']) await run.product.job(job)
    const client = new pg.Client({ connectionString: peer.database })
    await client.connect()
    try {
      await client.query('vacuum (analyze)')
      const { rows } = await client.query(
        `select sum(pg_total_relation_size(c.oid)) as bytes from pg_class c
         where c.relkind = 'r' and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`,
      )
      peer.bytes.push(Number(rows[0].bytes))
    } finally {
      await client.end()
    }
  })
}

/** In rounds, so that a slow minute of the machine is everybody's. */
async function rounds(run: Run, what: string, total: number, work: (peer: Peer, from: number, to: number, round: number) => Promise<void>): Promise<void> {
  const portion = Math.ceil(total / run.size.rounds)
  for (let round = 0; round * portion < total; round++) await each(run, what, (peer) => work(peer, round * portion, Math.min(total, (round + 1) * portion), round))
}

async function search(run: Run, stage: number): Promise<void> {
  const { size, judge } = run
  for (const peer of run.all) peer.searched[stage] = new Map(peer.ways.map(({ name }) => [name, { ms: [], together: [], seconds: 0, judged: [] }]))
  const byWay = (atOnce: number, first: number) => async (peer: Peer, from: number, to: number) => {
    for (const { name, mode } of peer.ways) {
      const searched = peer.searched[stage]?.get(name) as Searched
      const way = mode === undefined ? {} : { way: mode }
      const done = await peer.adapter.run({ verb: 'search', ...way, atOnce, warm: size.warm, operations: questions(first + from, first + to, size) })
      ;(atOnce === 1 ? searched.ms : searched.together).push(...done.ms)
      if (atOnce > 1) searched.seconds += done.seconds
      searched.judged.push(...done.texts.map((texts, i) => judge(first + from + i, texts)))
      peer.rss = peer.name === 'soma' ? await run.product.rss() : done.rss
    }
  }
  await rounds(run, 'searches', size.searches, byWay(1, 0))
  await rounds(run, `searches, ${atMost} at once`, size.searchesTogether, byWay(atMost, size.searches))
}

/** Single memories of the others, each round's behind those that only warm it up. */
async function store(run: Run): Promise<void> {
  const { size } = run
  const portion = (atOnce: number, first: number) => async (peer: Peer, from: number, to: number, round: number) => {
    const at = first + from + round * size.warm
    const { ms, seconds } = await peer.adapter.run({ verb: 'store', atOnce, warm: size.warm, operations: singles(at, at + size.warm + to - from, size) })
    if (atOnce === 1) peer.stored.ms.push(...ms)
    else {
      peer.stored.together.push(...ms)
      peer.stored.seconds += seconds
    }
  }
  await rounds(run, 'stores', size.singles, portion(1, loaded(size)))
  await rounds(run, `stores, ${atMost} at once`, size.together, portion(atMost, loaded(size) + size.singles + size.warm * size.rounds))
}

async function grow(peer: Peer, { size }: Run): Promise<void> {
  const operations = bulks(loaded(size) + stored(size), size.total, size)
  for (let from = 0; from < operations.length; from += callsAtOnce) {
    const { ms } = await peer.adapter.run({ verb: 'store', atOnce: 1, warm: 0, operations: operations.slice(from, from + callsAtOnce) })
    peer.growSeconds += sum(ms) / 1000
  }
}
