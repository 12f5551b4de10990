import { count, median, megabytes, ms, p95, printTable, times } from '../figures.ts'
import type { Peer, Searched } from './peers.ts'
import { atMost } from './protocol.ts'
import { loaded, type Size, stored } from './work.ts'

const base = 'bare'
const seconds = (value: number | undefined) => (value === undefined ? '' : `${value.toFixed(2)} s`)
const perSecond = (done: readonly number[], took: number) => done.length / took
const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length

export function printReport(peers: readonly Peer[], size: Size, away: readonly string[]): void {
  const bare = peers.find(({ name }) => name === base)
  printStores(peers, bare, size)
  for (const [stage, memories] of [loaded(size), size.total].entries()) printSearches(peers, bare?.searched[stage]?.get(base), stage, `${count(size.each)} of ${count(memories)}`)
  printTable(
    'What it takes: all tables and indexes; resident memory of the program that holds the client (soma: of its server), after all of it',
    ['', ...[loaded(size), size.total].flatMap((memories) => [`bytes a memory, of ${count(memories)}`, 'to bare']), 'resident'],
    peers.map(({ name, bytes: [first = Number.NaN, last = Number.NaN], rss }) => [
      name,
      count(first / loaded(size)),
      to(first, bare?.bytes[0]),
      count(last / size.total),
      to(last, bare?.bytes[1]),
      megabytes(rss),
    ]),
  )
  console.log(`\n${peers.map(({ name, of }) => `${name}: ${of}`).join('; ')}. The peers are given vectors, Soma makes its own in the time that is counted.`)
  for (const one of away) console.log(`\nnot measured: ${one}`)
}

/** Nothing, where bare SQL itself could not be measured. */
const to = (value: number, of: number | undefined) => (of === undefined ? '' : times(value, of))

function printStores(peers: readonly Peer[], bare: Peer | undefined, size: Size): void {
  const grown = size.total - loaded(size) - stored(size)
  const rate = (peer: Peer) => perSecond(peer.stored.together, peer.stored.seconds)
  printTable(
    `Storing: ${count(loaded(size))} memories of ${size.users} users in calls of 50; then one by one, and ${atMost} at once; then in calls of 50 up to ${count(size.total)}`,
    ['', 'loaded', 'to bare', 'indexed too', 'one, p50', 'p95', 'p50 to bare', `a second, ${atMost} at once`, 'p95', 'rate to bare', 'a second up to the end'],
    peers.map((peer) => [
      peer.name,
      seconds(peer.load?.seconds),
      to(peer.load?.seconds ?? Number.NaN, bare?.load?.seconds),
      seconds(peer.load?.indexedSeconds),
      ms(median(peer.stored.ms)),
      ms(p95(peer.stored.ms)),
      to(median(peer.stored.ms), bare && median(bare.stored.ms)),
      count(rate(peer)),
      ms(p95(peer.stored.together)),
      ratio(rate(peer), bare && rate(bare)),
      count(grown / peer.growSeconds),
    ]),
  )
}

/** Two decimals: of rates the peers' are often a small share. */
const ratio = (value: number, of: number | undefined) => (of === undefined ? '' : `${(value / of).toFixed(2)}×`)

function printSearches(peers: readonly Peer[], bare: Searched | undefined, stage: number, what: string): void {
  const rate = ({ together, seconds: took }: Searched) => perSecond(together, took)
  const rows = peers.flatMap(({ ways, searched }) =>
    ways.map(({ name, exact }) => {
      const one = searched[stage]?.get(name) as Searched
      const { judged } = one
      return [
        name,
        ms(median(one.ms)),
        ms(p95(one.ms)),
        to(median(one.ms), bare && median(bare.ms)),
        count(rate(one)),
        ms(p95(one.together)),
        ratio(rate(one), bare && rate(bare)),
        exact ? mean(judged.map(({ recall }) => recall)).toFixed(2) : '',
        mean(judged.map(({ source }) => Number(source))).toFixed(2),
        mean(judged.map(({ returned }) => returned)).toFixed(1),
        count(judged.reduce((sum, { leaks }) => sum + leaks, 0)),
      ]
    }),
  )
  printTable(
    `Top 10 of one user's ${what}, one after the other and ${atMost} at once`,
    ['', 'p50', 'p95', 'p50 to bare', `a second, ${atMost} at once`, 'p95', 'rate to bare', 'recall@10', 'source memory found', 'returned', "others' rows"],
    rows,
  )
}
