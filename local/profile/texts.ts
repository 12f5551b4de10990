/** Texts of our own: the same number always gives the same text, and no data set is needed. */
const words = 8_000
/** What is drawn begins at this rank of Zipf's law; the ranks before it are a language's function words, which stand between the others. */
const firstRank = 50
const functionWords = 'the of and to a in is was it for on with as at by this that from but not are be have they which an or were their has'.split(' ')
/** In English prose a bit less than half of all words are function words. */
const functionShare = 0.45
const onsets = ['b', 'br', 'd', 'dr', 'f', 'fl', 'g', 'gr', 'k', 'l', 'm', 'n', 'p', 'pl', 'r', 's', 'st', 't', 'tr', 'v']
const vowels = ['a', 'e', 'i', 'o', 'u', 'ai', 'ou', 'ea']

export type Random = () => number

/** mulberry32: 32 bits of state, good enough to choose words. */
export function randomFrom(seed: number): Random {
  let state = Math.imul(seed, 0x9e3779b1) | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const between = (random: Random, low: number, high: number) => low + Math.floor(random() * (high - low + 1))
export const pick = <T>(random: Random, list: readonly T[]) => list[Math.floor(random() * list.length)] as T

function createVocabulary(): string[] {
  const random = randomFrom(1)
  const found = new Set<string>()
  while (found.size < words) {
    found.add(Array.from({ length: between(random, 2, 4) }, () => pick(random, onsets) + pick(random, vowels)).join(''))
  }
  return [...found]
}

const vocabulary = createVocabulary()
/** For each word the share of all draws up to it. */
const cumulative = (() => {
  let sum = 0
  const sums = vocabulary.map((_, rank) => {
    sum += 1 / (rank + firstRank)
    return sum
  })
  return sums.map((one) => one / sum)
})()

function draw(random: Random): string {
  const share = random()
  let low = 0
  let high = cumulative.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cumulative[middle] as number) < share) low = middle + 1
    else high = middle
  }
  return vocabulary[low] as string
}

/** The text numbered `i`: 20 to 60 words, as prose mixes them. */
export function textOf(i: number): string {
  const random = randomFrom(i + 1_000)
  return Array.from({ length: between(random, 20, 60) }, () => (random() < functionShare ? pick(random, functionWords) : draw(random))).join(' ')
}

/** 4 to 8 words of a text, in no order: what somebody who half remembers it would ask. */
export function questionOf(text: string, i: number): string {
  const random = randomFrom(i + 500_000_000)
  const words = text.split(' ').filter((word) => !functionWords.includes(word))
  return Array.from({ length: between(random, 4, 8) }, () => pick(random, words)).join(' ')
}
