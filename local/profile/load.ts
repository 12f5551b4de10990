import type { Client, Memory } from '../../shared/client/index.ts'
import { percentile } from './percentile.ts'
import { questionOf, textOf } from './texts.ts'

const clients = 4
const bulk = 50
const preloaded = 1_000
const users = 10

/** Of ten operations: three stores, a bulk, five recalls, a list. */
const turns = ['store', 'recall_hybrid', 'recall_lexical', 'store', 'recall_hybrid', 'recall_vector', 'store', 'recall_hybrid', 'list', 'store_bulk'] as const
export type OperationName = (typeof turns)[number]
/** Milliseconds; null where none was answered. */
export type Operation = { name: OperationName; sent: number; failed: number; per_second: number; p50_ms: number | null; p95_ms: number | null }
/** `stored`: memories that were answered as stored, those before the measurement too. */
export type Load = { seconds: number; clients: number; operations: Operation[]; stored: number; failure?: string }

const memoryOf = (i: number): Memory => ({ text: textOf(i), user_id: `user-${i % users}`, metadata: { source: 'profile', turn: i } })

/** What the recalls ask for: stored before anything is measured, and some of each operation, so that no profile shows how code is loaded. @throws ClientError */
export async function prepare(client: Client): Promise<number> {
  const numbers = { stored: 0 }
  while (numbers.stored < preloaded) await storeBulk(client, numbers)
  for (const name of [...turns, ...turns, ...turns]) await operate[name](client, numbers)
  return numbers.stored
}

/** Four clients, each one operation after the other, for so long or until `signal`. What fails is counted, and the first failure's words are kept. */
export async function drive(client: Client, seconds: number, stored: number, signal: AbortSignal): Promise<Load> {
  const numbers = { stored }
  const taken = new Map(turns.map((name) => [name, { times: [] as number[], failed: 0 }]))
  let failure: string | undefined
  let turn = 0
  const started = performance.now()
  const one = async () => {
    while (!signal.aborted && performance.now() - started < seconds * 1000) {
      const name = turns[turn++ % turns.length] as OperationName
      const spent = taken.get(name)!
      const before = performance.now()
      try {
        await operate[name](client, numbers)
        spent.times.push(performance.now() - before)
      } catch (error) {
        spent.failed++
        failure ??= error instanceof Error ? error.message : String(error)
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, one))
  const took = (performance.now() - started) / 1000
  const operations = [...taken].map(([name, { times, failed }]) => {
    const at = (share: number) => (times.length ? round(percentile(times, share)) : null)
    return { name, sent: times.length + failed, failed, per_second: round(times.length / took), p50_ms: at(0.5), p95_ms: at(0.95) }
  })
  return { seconds: round(took), clients, operations, stored: numbers.stored, ...(failure === undefined ? {} : { failure }) }
}

type Numbers = { stored: number }
/** The texts in flight have numbers of their own, above what is stored. */
let next = 0

async function storeBulk(client: Client, numbers: Numbers): Promise<void> {
  const first = next
  next += bulk
  await client.storeMany(Array.from({ length: bulk }, (_, i) => memoryOf(first + i)))
  numbers.stored += bulk
}

function recallAs(mode: 'hybrid' | 'lexical' | 'vector') {
  return async (client: Client): Promise<void> => {
    const asked = Math.imul(next + 1, 2654435761) >>> 0
    const wanted = asked % preloaded
    await client.recall({ query: questionOf(textOf(wanted), wanted), user_id: `user-${wanted % users}`, mode, top_k: 10 })
  }
}

const operate: Record<OperationName, (client: Client, numbers: Numbers) => Promise<void>> = {
  async store(client, numbers) {
    await client.store(memoryOf(next++))
    numbers.stored++
  },
  store_bulk: storeBulk,
  recall_hybrid: recallAs('hybrid'),
  recall_lexical: recallAs('lexical'),
  recall_vector: recallAs('vector'),
  list: async (client) => void (await client.list({ limit: 50 })),
}

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits))
