import { join } from 'node:path'
import { smallUser, untilIndexed } from './corpus.ts'
import { count, megabytes, printTable } from './figures.ts'
import type { Product } from './product.ts'
import { type Run, run, soma, withEmpty } from './programs.ts'

type Where = { folder: string; env: Record<string, string> }
type Written = { path: string; rows: number; total_rows: number; bytes: number; base: string | null }

/** Of so many memories this share is stored anew, and as much is changed, between two backups. */
const changed = 0.005

/** A full backup, increments after some changes and after none, and a restore of all of them together, each in a process of its own. */
export async function increments(product: Product, n: number, { folder, env }: Where): Promise<void> {
  const backUp = async (...flags: string[]): Promise<[Run, Written]> => {
    const one = await run([...soma, 'backup', ...flags, '--json'], env)
    return [one, JSON.parse(one.stdout) as Written]
  }
  const rows: [string, Run, Written][] = []
  rows.push(['full', ...(await backUp())])
  const some = Math.max(1, Math.round(n * changed))
  await change(product, some)
  rows.push([`increment: ${count(some)} stored, ${count(some)} changed`, ...(await backUp('--increment'))])
  rows.push(['increment: nothing but what the jobs did', ...(await backUp('--increment'))])
  const newest = rows.at(-1)?.[2] as Written
  printTable(
    `Increments of ${count(n)} memories, encrypted`,
    ['', 'time', 'to the full one', 'rows', 'bytes', 'peak memory'],
    rows.map(([what, one, written]) => [
      what,
      `${one.seconds.toFixed(1)} s`,
      `${(one.seconds / (rows[0]?.[1].seconds ?? 1)).toFixed(2)}×`,
      count(written.rows),
      count(written.bytes),
      megabytes(one.peakBytes),
    ]),
  )
  const back = await withEmpty(env.POSTGRES_URL as string, async (url) => {
    await run([...soma, 'migrate', '--json'], { POSTGRES_URL: url })
    return run([...soma, 'restore', newest.path, '--json'], { ...env, POSTGRES_URL: url, SOMA_DATA_DIR: join(folder, 'none') })
  })
  const report = JSON.parse(back.stdout) as { archives: number; rows: number }
  printTable(
    'A restore of the newest, with what it builds on',
    ['archives', 'rows', 'time', 'rows a second', 'peak memory'],
    [[count(report.archives), count(report.rows), `${back.seconds.toFixed(1)} s`, count(report.rows / back.seconds), megabytes(back.peakBytes)]],
  )
}

/** Stores and changes memories through the API, and waits until all of them are indexed. */
async function change(product: Product, some: number): Promise<void> {
  const { http } = product
  for (let from = 0; from < some; from += 100) {
    const items = Array.from({ length: Math.min(100, some - from) }, (_, i) => ({ text: `Between two backups, number ${from + i} of them`, user_id: 'between' }))
    await http.post('/v1/memories/bulk', { items })
  }
  const { items } = (await http.post('/v1/memories/list', { user_id: smallUser.id, limit: 500 })) as { items: { id: string }[] }
  for (let i = 0; i < some; i++) await http.patch(`/v1/memories/${items[i % items.length]?.id}`, { importance: 1 + (i % 9) })
  await untilIndexed(product)
}
