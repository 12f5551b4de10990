import { open } from 'node:fs/promises'
import { hashEmbedder } from '../../shared/embed/index.ts'
import { queryFor, textOf } from '../texts.ts'
import { dimension, type Item, type Operation, topK } from './protocol.ts'

/** How much is done. `users` of `each` memories are loaded and searched; then others' memories come until there are `total`. */
export type Size = { users: number; each: number; total: number; singles: number; together: number; searches: number; searchesTogether: number; rounds: number; warm: number }

const callSize = 50
const embedAtOnce = 500
/** Two cosines that differ by less are a tie, in whatever precision they were computed. */
const tie = 1e-5

export const loaded = ({ users, each }: Size) => users * each
/** One by one and together, and what warms up before each round of either. */
export const stored = ({ singles, together, warm, rounds }: Size) => singles + together + 2 * warm * rounds
/** Names of one length: the JS store of LangGraph finds a namespace by its beginning, so `user-1` would find `user-10` too. */
const nameOf = (user: number) => `user-${1_000 + user}`

/** Whose memory a number is: of the searched users first, then spread over all the others. */
function userOf(number: number, size: Size): string {
  const others = Math.ceil((size.total - loaded(size)) / size.each)
  return nameOf(number < loaded(size) ? Math.floor(number / size.each) : size.users + ((number - loaded(size)) % others))
}

const itemOf = (number: number): Item => ({ number, text: textOf(number) })

/** Calls of 50 memories of one user each, the users in turn. */
export function bulks(from: number, to: number, size: Size): Operation[] {
  const byUser = Map.groupBy(
    Array.from({ length: to - from }, (_, i) => from + i),
    (number) => userOf(number, size),
  )
  const cut = [...byUser].map(([user, numbers]) =>
    Array.from({ length: Math.ceil(numbers.length / callSize) }, (_, i) => ({ user, items: numbers.slice(i * callSize, (i + 1) * callSize).map(itemOf) })),
  )
  const longest = Math.max(...cut.map((calls) => calls.length))
  return Array.from({ length: longest }, (_, i) => cut.flatMap((calls) => calls[i] ?? [])).flat()
}

export const singles = (from: number, to: number, size: Size): Operation[] =>
  Array.from({ length: to - from }, (_, i) => ({ user: userOf(from + i, size), items: [itemOf(from + i)] }))

/** The memory that the `k`th question was made of: the users in turn, at other places of each. */
const wantedBy = (k: number, { users, each }: Size) => (k % users) * each + ((Math.floor(k / users) * 7) % each)
const questionsOf = ({ searches, searchesTogether, warm }: Size) => searches + searchesTogether + warm

/** From the `from`th question up to the `to`th, behind those that only warm up. Their vectors stand behind those of the memories. */
export function questions(from: number, to: number, size: Size): Operation[] {
  const numbers = [...Array.from({ length: size.warm }, (_, i) => size.searches + size.searchesTogether + i), ...Array.from({ length: to - from }, (_, i) => from + i)]
  return numbers.map((k) => {
    const wanted = wantedBy(k, size)
    return { user: userOf(wanted, size), items: [{ number: size.total + k, text: queryFor(wanted) }] }
  })
}

/** Of the ten nearest by exact cosine the share that was answered; whether the memory that the question was made of was; how many came; how many of them are another user's. */
export type Judged = { recall: number; source: boolean; returned: number; leaks: number }
export type Judge = (k: number, texts: readonly string[]) => Judged

/** Writes the vectors of all memories and questions, as 32-bit floats; answers what judges the answers to the `k`th question. */
export async function writeVectors(path: string, size: Size): Promise<Judge> {
  const embedder = hashEmbedder(dimension)
  const file = await open(path, 'w')
  const kept: Float32Array[] = []
  const count = size.total + questionsOf(size)
  for (let first = 0; first < count; first += embedAtOnce) {
    const numbers = Array.from({ length: Math.min(embedAtOnce, count - first) }, (_, i) => first + i)
    const texts = numbers.map((number) => (number < size.total ? textOf(number) : queryFor(wantedBy(number - size.total, size))))
    for (const [i, vector] of (await embedder.embed(texts, {} as never)).entries()) {
      if (first + i < loaded(size) || first + i >= size.total) kept[first + i] = vector
      await file.write(vector)
    }
  }
  await file.close()
  return createJudge(kept, size)
}

function createJudge(vectors: readonly Float32Array[], size: Size): Judge {
  const numberOf = new Map(Array.from({ length: loaded(size) }, (_, number) => [textOf(number), number]))
  const wantedResults = Math.min(topK, size.each)
  const tenths = new Map<number, number>()
  return (k, texts) => {
    const wanted = wantedBy(k, size)
    const first = Math.floor(wanted / size.each) * size.each
    const question = vectors[size.total + k] as Float32Array
    const near = (number: number) => cosine(question, vectors[number] as Float32Array)
    const tenth = tenths.get(k) ?? (Array.from({ length: size.each }, (_, i) => near(first + i)).sort((a, b) => b - a)[wantedResults - 1] as number)
    tenths.set(k, tenth)
    const numbers = texts.map((text) => numberOf.get(text) ?? -1)
    const own = numbers.filter((number) => number >= first && number < first + size.each)
    const right = own.filter((number) => near(number) >= tenth - tie)
    return { recall: right.length / wantedResults, source: numbers.includes(wanted), returned: texts.length, leaks: texts.length - own.length }
  }
}

/** Of unit vectors. */
function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
