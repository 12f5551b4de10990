import { untilIndexed } from '../corpus.ts'
import type { Product } from '../product.ts'
import { textOf } from '../texts.ts'

const bulkSize = 500
/** Turns of a conversation. */
const sessionLength = 20
const smallUser = 1_000
const largeUser = 10_000
/** From this many memories on a stage has a large user. */
const largeFrom = 50_000

/** What a measured user stores: its `k`th memory has the text of that number. */
export type User = { id: string; memories: number; numberOf(k: number): number }
/** The memories numbered `from` up to, and without, `size`: with a user of 1,000 and one of 10,000 spread evenly among those of others. */
export type Stage = { from: number; size: number; small: User; large: User | undefined }

export function stagesOf(sizes: readonly number[]): Stage[] {
  return sizes.map((size, index) => {
    const from = sizes[index - 1] ?? 0
    const user = (name: string, memories: number, place: number): User => {
      const step = (size - from) / memories
      return { id: `${name}-${size}`, memories, numberOf: (k) => from + Math.floor(k * step) + place }
    }
    return { from, size, small: user('small', smallUser, 0), large: size - from >= largeFrom ? user('large', largeUser, 1) : undefined }
  })
}

/** Users beside the measured ones, whose memories a stage brings: each has about 1,000 of it. */
export const othersOf = ({ from, size, large }: Stage) => Math.max(1, Math.round((size - from - smallUser - (large?.memories ?? 0)) / smallUser))
export const otherUser = ({ size }: Stage, k: number) => `user-${size}-${k}`

export type Loaded = { answeredSeconds: number; indexedSeconds: number }

/** Stores a stage in bulks of 500, `clients` at once, in sessions of 20 of a user's; waits until all are indexed. */
export async function loadStage(product: Product, stage: Stage, clients: number): Promise<Loaded> {
  const { from, size, small, large } = stage
  const owners = new Map<number, string>()
  for (const user of [small, large]) for (let k = 0; user && k < user.memories; k++) owners.set(user.numberOf(k), user.id)
  const others = othersOf(stage)
  const told = new Map<string, number>()
  const itemOf = (i: number) => {
    const user_id = owners.get(i) ?? otherUser(stage, (Math.imul(i, 2654435761) >>> 0) % others)
    const turn = told.get(user_id) ?? 0
    told.set(user_id, turn + 1)
    return { text: textOf(i), user_id, session_id: `${user_id}-${size}-${Math.floor(turn / sessionLength)}`, metadata: { source: 'bench', turn: i } }
  }
  const started = performance.now()
  let next = from
  const client = async () => {
    while (next < size) {
      const first = next
      next = Math.min(size, next + bulkSize)
      await product.http.post('/v1/memories/bulk', { items: Array.from({ length: next - first }, (_, i) => itemOf(first + i)) })
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  const answeredSeconds = (performance.now() - started) / 1000
  await untilIndexed(product)
  return { answeredSeconds, indexedSeconds: (performance.now() - started) / 1000 }
}
