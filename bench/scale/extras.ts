import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { byPlace } from '../../local/profile/fold.ts'
import { untilIndexed } from '../corpus.ts'
import { count, ms, printTable, timed } from '../figures.ts'
import type { Product } from '../product.ts'
import { queryFor } from '../texts.ts'
import { answers, oneByOne, recall, spread, storing } from './measure.ts'
import { othersOf, otherUser, type Stage, type User } from './stages.ts'

/** Where a recall's time goes: CPU of the server by folder and package, and what PostgreSQL spends in its statements. */
export async function printProfile(product: Product, user: User, n: number): Promise<void> {
  await product.sql('create extension if not exists pg_stat_statements')
  await product.sql('select pg_stat_statements_reset()')
  let times: number[] = []
  const profile = await product.profile(async () => {
    times = await oneByOne(product, user, 'hybrid', n)
  })
  const [statements] = await product.sql(
    `select sum(total_exec_time + total_plan_time) as spent from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())`,
  )
  const sum = times.reduce((total, one) => total + one, 0)
  const row = (name: string, total: number) => [name, ms(total / n), `${((100 * total) / sum).toFixed(0)} %`]
  const cpu = [...byPlace(profile)].map(([place, micros]) => row(`Node: ${place}`, micros / 1000)).slice(0, 12)
  printTable(
    `Where a recall's time goes, hybrid, a user's 1,000 of 20,000 (${n} recalls under the profiler)`,
    ['', 'a recall', 'of its time'],
    [row('over HTTP, mean', sum), row('PostgreSQL, inside of statements', Number(statements?.spent)), ...cpu],
  )
}

/** The same questions with the common words known, and without, when every word chooses candidates. */
export async function printBudget(product: Product, size: number, n: number): Promise<void> {
  const ask = () => answers(product, size, n)
  await ask()
  const within = await ask()
  // the row that says that a scope was counted stays: the next rollup would count it again
  await product.sql(`delete from word_counts where term <> ''`)
  await ask()
  const whole = await ask()
  await product.sql('delete from word_counts')
  await product.job('rollup-usage')
  const share = (values: readonly number[]) => `${((100 * values.reduce((sum, one) => sum + one, 0)) / n).toFixed(1)} %`
  const row = (name: string, asked: typeof within, more: string) => {
    const { p50, p95 } = spread(asked.map(({ time }) => time))
    return [name, ms(p50), ms(p95), share(asked.map(({ found }) => Number(found))), more]
  }
  const shared = within.map(({ ids }, k) => ids.filter((id) => whole[k]?.ids.includes(id)).length / Math.max(1, whole[k]?.ids.length ?? 1))
  printTable(
    `The budget of words, the whole tenant of ${count(size)}, ${n} questions`,
    ['', 'p50', 'p95', 'asked-for memory in the first 10', 'shared with the exact first 10'],
    [row('within the budget', within, share(shared)), row('every word chooses', whole, '')],
  )
}

export async function printBeside(product: Product, { size, small, large }: Stage, n: number): Promise<void> {
  const perSecond = 500
  const stores = storing(product, perSecond, size + 1_000_000)
  const rows: string[][] = []
  for (const user of [small, large]) {
    if (!user) continue
    const { p50, p95, p99 } = spread(await oneByOne(product, user, 'hybrid', n))
    rows.push([`a user's ${count(user.memories)} of ${count(size)}`, ms(p50), ms(p95), ms(p99)])
  }
  const { perSecond: reached, sent } = await stores.end()
  const seconds = (await timed(() => untilIndexed(product))) / 1000
  rows.push([`until the ${count(sent)} memories are indexed, after that`, `${seconds.toFixed(1)} s`, '', ''])
  printTable(`Hybrid recalls while ${count(reached)} memories a second are stored, in bulks of 50`, ['', 'p50', 'p95', 'p99'], rows)
}

/** Each question to another user, after both caches were emptied: PostgreSQL's and the system's. */
export async function printCold(product: Product, stage: Stage, most: number): Promise<void> {
  const n = Math.min(most, othersOf(stage))
  const [settings] = await product.sql(`select setting as folder from pg_settings where name = 'data_directory'`)
  await product.sql('create extension if not exists pg_buffercache')
  const times: number[] = []
  for (let k = 0; k < n; k++) {
    if (k % 10 === 0) await dropCaches(product, String(settings?.folder))
    times.push(await timed(() => recall(product, { query: queryFor(k), user_id: otherUser(stage, k) }, 'hybrid')))
  }
  const first = spread(times.filter((_, k) => k % 10 === 0))
  const others = spread(times.filter((_, k) => k % 10 !== 0))
  printTable(
    `Cold: hybrid, about 1,000 memories of a user of ${count(stage.size)}, each question another user's`,
    ['', 'p50', 'p95'],
    [
      ['the first after the caches were emptied', ms(first.p50), ms(first.p95)],
      ['the nine after it', ms(others.p50), ms(others.p95)],
    ],
  )
}

async function dropCaches(product: Product, folder: string): Promise<void> {
  await product.sql('checkpoint')
  await product.sql('select * from pg_buffercache_evict_all()')
  // GNU dd asks the system to forget what it has cached of a file
  const child = spawn('find', [folder, '-type', 'f', '-path', '*/base/*', '-size', '+0', '-exec', 'dd', 'if={}', 'iflag=nocache', 'count=0', 'status=none', ';'], {
    stdio: 'ignore',
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error('The system did not empty its cache: this measurement needs GNU dd and the files of the database.')
}
