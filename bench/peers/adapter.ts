/** One peer in a process of its own: takes work as JSON lines, times each operation here, and answers on the fourth file descriptor. */
import { openSync, readSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { clients } from './clients.ts'
import { type Client, type Done, dimension, type Item, type Work } from './protocol.ts'

const [name = '', url = '', vectorsFile = '', folder = ''] = process.argv.slice(2)
const vectors = new Map<string, number[]>()
const file = openSync(vectorsFile, 'r')

/** What an embedding server would have answered: read before the clock starts, in eight decimals as such servers write them. */
function prepare(items: readonly Item[]): void {
  const numbers = new Float32Array(dimension)
  for (const { number, text } of items) {
    readSync(file, numbers, 0, numbers.byteLength, number * numbers.byteLength)
    vectors.set(
      text,
      Array.from(numbers, (value) => Math.round(value * 1e8) / 1e8),
    )
  }
}

function vectorOf(text: string): number[] {
  const vector = vectors.get(text)
  if (!vector) throw new Error(`The peer asks for the vector of a text that is none of ours: ${text.slice(0, 100)}`)
  return vector
}

async function run(client: Client, { verb, way, atOnce, warm, operations }: Work): Promise<Done> {
  const ms: number[] = []
  const texts: string[][] = []
  const perform = async (index: number) => {
    const { user, items } = operations[index] as Work['operations'][number]
    if (atOnce === 1) {
      vectors.clear()
      prepare(items)
    }
    const started = performance.now()
    const found = verb === 'store' ? await client.store(user, items) : await client.search(user, items[0] as Item, way)
    ms[index] = performance.now() - started
    if (verb === 'search') texts[index] = found as string[]
  }
  vectors.clear()
  if (atOnce > 1) for (const { items } of operations) prepare(items)
  let next = 0
  const through = async (end: number) => {
    while (next < end) await perform(next++)
  }
  const together = (end: number) => Promise.all(Array.from({ length: atOnce }, () => through(end)))
  await together(warm)
  const started = performance.now()
  await together(operations.length)
  return { ms: ms.slice(warm), texts: texts.slice(warm), seconds: (performance.now() - started) / 1000, rss: process.memoryUsage.rss() }
}

const answer = (done: Done) => writeSync(3, `${JSON.stringify(done)}\n`)
const failed = (error: unknown): Done => ({ ms: [], texts: [], seconds: 0, rss: 0, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
// the signals of a terminal reach us too: the benchmark decides
process.on('SIGINT', () => {})
try {
  const client = await clients[name]?.({ url, folder, vectorOf })
  if (!client) throw new Error(`There is no peer ${name}.`)
  answer({ ms: [], texts: [], seconds: 0, rss: process.memoryUsage.rss() })
  for await (const line of createInterface({ input: process.stdin })) answer(await run(client, JSON.parse(line)).catch(failed))
} catch (error) {
  answer(failed(error))
}
process.exit()
