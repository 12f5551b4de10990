import { count, printTable } from '../figures.ts'
import type { Options } from '../run.ts'
import { buriedByBoth, check, settle, whatIsLeft } from './check.ts'
import { client, emptyLedger } from './clients.ts'
import { cause } from './faults.ts'
import { openInstallation } from './installation.ts'
import { supervise, untilReady } from './processes.ts'

const clients = 4
const embeddingFailures = 0.3

/**
 * Processes of the product are killed at random moments under load, with their broker, database and Redis; then what clients were told is held against what is there.
 * @throws Error when a promise was broken
 */
export async function chaos(options: Options, cleanUp: AsyncDisposableStack): Promise<void> {
  const kills = options.size ?? (options.short ? 24 : 200)
  const installation = await openInstallation(cleanUp, embeddingFailures)
  const start = async (name: string, pauseMs?: number) => {
    const one = await supervise(name, installation.environment, pauseMs)
    cleanUp.defer(one.end)
    return one
  }
  const store = await start('store')
  const memories = await start('memories')
  const victims = [store, memories, await start('index-vectors'), await start('project-events'), await start('drain-outbox', 500), await start('rollup-usage', 4_000)]
  for (const one of victims) if (one.url) await untilReady(one)

  const ledger = emptyLedger()
  const stop = new AbortController()
  const door = { write: store.url as string, read: memories.url as string, token: installation.token }
  const running = Promise.all(Array.from({ length: clients }, (_, i) => client(door, `${i}`, ledger, stop.signal)))
  // a client that gave up is a fault of its own, told at the end
  running.catch(() => {})
  const done = await cause(
    installation,
    victims,
    kills,
    () => ledger.writes,
    (n) => n % 20 === 0 && console.log(`${n} of ${kills} kills, ${count(ledger.writes)} writes answered`),
  )
  stop.abort()
  await running
  const settledMs = await settle(installation, () => buriedByBoth(installation, done.poison), done.poison.length).catch(async (error) => {
    const left = await whatIsLeft(installation).catch((unknown) => `the broker does not say who is in which group: ${unknown}`)
    throw new Error(`${error.message}\n${left}\n${victims.map((one) => `${one.name} ${one.lastWords()}`).join('\n')}`)
  })
  const verdicts = await check(installation, ledger, done)
  verdicts.push({
    promise: 'no process ends but by a kill',
    of: victims.length,
    faults: victims.flatMap((one) => one.unexpected),
  })

  const killed = Object.entries(done.kills).map(([name, n]) => `${name} ${n}`)
  printTable(
    `${count(kills)} kills (${killed.join(', ')}), ${done.brokerCrashes} of the broker, ${done.databaseRestarts} restarts of the database, ${done.redisKills} kills and ${done.redisFlushes} flushes of Redis, ${embeddingFailures * 100} % of embedding calls fail; ${clients} clients, ${count(ledger.requests)} requests, ${count(ledger.retries)} made again; at rest after ${(settledMs / 1000).toFixed(0)} s`,
    ['promise', 'looked at', 'broken'],
    verdicts.map(({ promise, of, faults }) => [promise, count(of), count(faults.length)]),
  )
  const broken = verdicts.flatMap(({ promise, faults }) => faults.slice(0, 5).map((fault) => `${promise}: ${fault}`))
  if (broken.length) throw new Error(`Promises were broken:\n${broken.join('\n')}`)
}
