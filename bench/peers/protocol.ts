/** One memory or one question: its text, and where its vector stands in the file of vectors. */
export type Item = { number: number; text: string }
export type Operation = { user: string; items: Item[] }
/** A line to an adapter. The first `warm` operations open the connections and are neither timed nor answered for; `atOnce` go on at the same time. */
export type Work = { verb: 'store' | 'search'; way?: string; atOnce: number; warm: number; operations: Operation[] }
/** The line that comes back, in the order of the operations: milliseconds of each, the texts each search answered; seconds of all; resident bytes of the adapter. */
export type Done = { ms: number[]; texts: string[][]; seconds: number; rss: number; error?: string }

/** A memory system, as a program in this process would use it. */
export type Client = {
  store(user: string, items: Item[]): Promise<unknown>
  /** The texts of the first 10. */
  search(user: string, question: Item, way: string | undefined): Promise<string[]>
}

export const dimension = 384
export const atMost = 16
export const topK = 10
export const tenant = 'bench'
