import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { installPostgres } from '../local/services/postgres-install.ts'
import { loadCorpus, memoryNumber, smallUser } from './corpus.ts'
import { count, median, megabytes, ms, percentile, printTable, timed } from './figures.ts'
import { increments } from './increments.ts'
import type { Product } from './product.ts'
import { type Run, run, soma, withEmpty } from './programs.ts'
import type { Options } from './run.ts'
import { queryFor } from './texts.ts'

/** Our archive and restore beside Postgres' own programs, on one database that was filled through the product. Each runs alone, in a process of its own. */
export async function backup(product: Product, { short, size }: Options): Promise<void> {
  const { adminUrl } = product
  if (!adminUrl) throw new Error('This benchmark compares with pg_dump, so it takes a real Postgres: leave --embedded away.')
  const n = size ?? (short ? 20_000 : 1_000_000)
  const { clients } = await installPostgres(18)
  const folder = join(product.folder, 'archives')
  await mkdir(folder)
  const key = { BACKUP_KEY: randomBytes(32).toString('hex') }
  console.error(`loading ${count(n)} memories …`)
  const { indexedSeconds } = await loadCorpus(product, n)
  await product.sql('vacuum analyze')
  const [held] = await product.sql(
    `select (select count(*) from memories) + (select count(*) from memory_events) + (select count(*) from vectors) as rows, (select count(*) from postings) as postings`,
  )
  console.error(`loaded and indexed in ${indexedSeconds.toFixed(0)} s; ${count(Number(held?.postings))} postings`)

  const archive = join(folder, 'archive')
  const dumped = join(folder, 'dump')
  const ours = { out: await run([...soma, 'backup', '--out', archive, '--json'], { ...key, POSTGRES_URL: adminUrl, STAGE: 'dev' }), in: undefined as Run | undefined }
  const theirs = { out: await run([join(clients, 'pg_dump'), '-Fc', `--file=${dumped}`, `--dbname=${adminUrl}`]), in: undefined as Run | undefined }
  ours.in = await withEmpty(adminUrl, async (url) => {
    await run([...soma, 'migrate', '--json'], { POSTGRES_URL: url })
    return run([...soma, 'restore', archive, '--json'], { ...key, POSTGRES_URL: url, STAGE: 'dev' })
  })
  theirs.in = await withEmpty(adminUrl, (url) => run([join(clients, 'pg_restore'), `--dbname=${url}`, dumped]))
  const drilled = await run([...soma, 'drill', archive, '--json'], { ...key, POSTGRES_URL: adminUrl, STAGE: 'dev', SIGNING_KEY: randomBytes(32).toString('hex') })
  const beside = await recallsBeside(product, n, () => run([...soma, 'backup', '--out', join(folder, 'another'), '--json'], { ...key, POSTGRES_URL: adminUrl, STAGE: 'dev' }))
  const rows = JSON.parse(ours.out.stdout).rows as number
  const bytes = { ours: await sizeOf(archive), theirs: await sizeOf(dumped) }
  const line = (what: string, one: Run, other: Run) => [
    what,
    `${one.seconds.toFixed(1)} s`,
    `${other.seconds.toFixed(1)} s`,
    `${(one.seconds / other.seconds).toFixed(2)}×`,
    count(rows / one.seconds),
    count(n / one.seconds),
    megabytes(one.peakBytes),
  ]
  printTable(
    `${count(n)} memories (${count(rows)} rows in the archive, encrypted), each program alone`,
    ['', 'soma', 'pg_dump -Fc, pg_restore', 'ratio', 'rows a second', 'memories a second', 'peak memory of soma'],
    [line('out', ours.out, theirs.out), line('back in', ours.in, theirs.in)],
  )
  printTable(
    'What is kept',
    ['', 'soma', 'pg_dump -Fc', 'ratio'],
    [['bytes a memory', count(bytes.ours / n), count(bytes.theirs / n), `${(bytes.ours / bytes.theirs).toFixed(2)}×`]],
  )
  const { seconds, recall } = JSON.parse(drilled.stdout) as { seconds: { verify: number; restore: number; examine: number }; recall: { questions: number; same: number } }
  printTable(
    `A drill of that archive, in a schema of the same database: ${recall.questions} questions asked again, ${recall.same} answered to the letter`,
    ['', 'in all', 'archive verified', 'restored', 'examined', 'memory'],
    [['soma drill', `${drilled.seconds.toFixed(1)} s`, ...[seconds.verify, seconds.restore, seconds.examine].map((one) => `${one.toFixed(1)} s`), megabytes(drilled.peakBytes)]],
  )
  const spread = (times: number[]) => [count(times.length), ms(median(times)), ms(percentile(times, 0.95))]
  printTable(
    `Recalls of a user's ${count(smallUser.memories)} memories, one after the other, alone and while a backup goes on`,
    ['', 'recalls', 'p50', 'p95'],
    [
      ['alone', ...spread(beside.alone)],
      ['beside a backup', ...spread(beside.during)],
      ['ratio', '', `${(median(beside.during) / median(beside.alone)).toFixed(2)}×`, `${(percentile(beside.during, 0.95) / percentile(beside.alone, 0.95)).toFixed(2)}×`],
    ],
  )
  await increments(product, n, { folder, env: { ...key, POSTGRES_URL: adminUrl, STAGE: 'dev', SOMA_DATA_DIR: folder } })
  await rm(folder, { recursive: true })
}

/** How long recalls take before `work`, and while it goes on. */
async function recallsBeside({ http }: Product, memories: number, work: () => Promise<unknown>): Promise<{ alone: number[]; during: number[] }> {
  let k = 0
  const recall = () => {
    const query = queryFor(memoryNumber(smallUser.id, k++ % smallUser.memories, memories))
    return timed(() => http.post('/v1/recall', { query, user_id: smallUser.id, top_k: 10 }))
  }
  for (let i = 0; i < 50; i++) await recall()
  const alone: number[] = []
  for (let i = 0; i < 300; i++) alone.push(await recall())
  const during: number[] = []
  let going = true
  const working = work().finally(() => {
    going = false
  })
  while (going) during.push(await recall())
  await working
  return { alone, during }
}

/** Bytes of a file, or of all files of a directory. */
async function sizeOf(path: string): Promise<number> {
  if (!(await stat(path)).isDirectory()) return (await stat(path)).size
  const sizes = await Promise.all((await readdir(path)).map((name) => sizeOf(join(path, name))))
  return sizes.reduce((sum, one) => sum + one, 0)
}
