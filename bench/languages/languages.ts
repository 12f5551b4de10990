import { setTimeout as sleep } from 'node:timers/promises'
import { isStopWord, tokenize } from '../../shared/text/index.ts'
import { count, printTable } from '../figures.ts'
import type { Http } from '../http.ts'
import type { Product } from '../product.ts'
import type { Options } from '../run.ts'
import { between, type Random, randomFrom } from '../texts.ts'
import { plainBm25 } from './bm25.ts'
import { chinese } from './chinese.ts'
import { code } from './code.ts'
import { english } from './english.ts'
import { french } from './french.ts'
import { german } from './german.ts'
import { japanese } from './japanese.ts'
import type { Known } from './known.ts'
import { portuguese } from './portuguese.ts'
import { spanish } from './spanish.ts'

const languages: Record<string, Known> = { English: english, German: german, French: french, Spanish: spanish, Portuguese: portuguese, Chinese: chinese, Japanese: japanese, code }
const most = { memories: 1_500, questions: 500, mixed: 200 }
const short = { memories: 300, questions: 60, mixed: 20 }
const top = 50
/** Mean reciprocal rank may be so much lower than that of plain BM25, and no more. */
const slack = 0.01

/**
 * Known-item search: texts of each language, made by templates of our own with its inflection; and of some of them what somebody asks who remembers a few of its words as they are, or
 * all in other forms. The mean reciprocal rank of the text among the first 50, beside plain BM25 on neutral tokens; and with all languages in one scope. No language is said.
 */
export async function languagesBench({ http }: Product, options: Options): Promise<void> {
  const size = options.short ? short : most
  const rows: string[][] = []
  const worse: string[] = []
  const sets = Object.entries(languages).map(([name, known], i) => ({ name, ...setOf(known, i + 1, size) }))
  for (const { name, texts } of sets) {
    await storeAll(http, `only-${name}`, texts, name)
    await storeAll(http, 'all', texts, name)
  }
  for (const { name, texts, questions } of sets) {
    const neutral = plainBm25(texts.map((text) => tokenize(text, 'und')))
    const plain = (kind: Kind) => mean(questions.map((one) => reciprocal(neutral(tokenize(one[kind], 'und')), one.places)))
    const ask = async (kind: Kind, user: string, some = questions) => {
      const ranks: number[] = []
      for (const one of some) ranks.push(reciprocal(await recall(http, user, one[kind], name), one.places))
      return mean(ranks)
    }
    const figures: number[] = []
    for (const kind of kinds) {
      const [theirs, ours] = [plain(kind), await ask(kind, `only-${name}`)]
      if (ours < theirs - slack) worse.push(name)
      figures.push(theirs, ours)
    }
    const mixed = await ask('inflected', 'all', questions.slice(0, size.mixed))
    rows.push([name, count(questions.length), ...figures.map((one) => one.toFixed(3)), mixed.toFixed(3)])
  }
  printTable(
    `Mean reciprocal rank of a known memory among ${count(size.memories)}, no model; ours may be ${slack} lower than plain BM25 on neutral tokens`,
    ['', 'n', 'words as they are: BM25', 'ours', 'in other forms: BM25', 'ours', 'among all languages'],
    rows,
  )
  if (worse.length) throw new Error(`Worse than plain BM25: ${worse.join(', ')}.`)
}

const kinds = ['literal', 'inflected'] as const
type Kind = (typeof kinds)[number]
/** `places`: the texts that it was made of: several may say the very same. */
type Question = Record<Kind, string> & { places: Set<number> }

function setOf(known: Known, seed: number, { memories, questions }: typeof most): { texts: string[]; questions: Question[] } {
  const random = randomFrom(seed)
  const made = Array.from({ length: memories }, () => known(random))
  const step = Math.floor(memories / questions)
  const samePlaces = (text: string) => new Set(made.flatMap((one, j) => (one.text === text ? [j] : [])))
  const asked = made.flatMap(({ text, query }, i) => (i % step === 0 ? [{ inflected: query, literal: wordsFrom(text, random), places: samePlaces(text) }] : []))
  return { texts: made.map(({ text }) => text), questions: asked.slice(0, questions) }
}

/** 4 to 8 of its words, no stop words among them, in no order; of a text without spaces of its parts. */
function wordsFrom(text: string, random: Random): string {
  const isSpaced = !/[\p{Script=Han}\p{Script=Katakana}]/u.test(text)
  const parts = text.match(isSpaced ? /[\p{L}\p{N}_]{3,}/gu : /[\p{L}\p{N}]{2,4}/gu) ?? []
  const left = [...new Set(parts)].filter((part) => !stopLanguages.some((language) => isStopWord(part.toLowerCase(), language)))
  const many = between(random, 4, 8)
  const words: string[] = []
  while (words.length < many && left.length) words.push(...left.splice(between(random, 0, left.length - 1), 1))
  return words.join(' ')
}
const stopLanguages = ['en', 'de', 'fr', 'es', 'pt'] as const

const reciprocal = (ranked: number[], places: ReadonlySet<number>) => {
  const rank = ranked.slice(0, top).findIndex((place) => places.has(place))
  return rank < 0 ? 0 : 1 / (rank + 1)
}
const mean = (values: number[]) => values.reduce((sum, one) => sum + one, 0) / values.length

async function storeAll(http: Http, user: string, texts: string[], set: string): Promise<void> {
  let last = ''
  for (let from = 0; from < texts.length; from += 500) {
    const items = texts.slice(from, from + 500).map((text, i) => ({ text, user_id: user, metadata: { set, place: from + i } }))
    last = (await http.post<{ results: { id: string }[] }>('/v1/memories/bulk', { items })).results.at(-1)?.id ?? ''
  }
  while ((await http.get<{ index_state: string }>(`/v1/memories/${last}`)).index_state !== 'indexed') await sleep(100)
}

type Recalled = { results: { metadata: { set: string; place: number } }[] }
/** Places in the set, those of others as none. */
async function recall(http: Http, user: string, query: string, set: string): Promise<number[]> {
  const { results } = await http.post<Recalled>('/v1/recall', { query, user_id: user, top_k: top })
  return results.map(({ metadata }) => (metadata.set === set ? metadata.place : -1))
}
