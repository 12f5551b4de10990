import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { count, median, ms, p95, printTable, timed } from './figures.ts'
import type { Http } from './http.ts'
import type { Product } from './product.ts'
import type { Options } from './run.ts'

/** The file of LoCoMo (Maharana et al. 2024, github.com/snap-research/locomo) or one of its shape. Its licence is not ours: nothing of it is kept or printed. */
const Turn = z.looseObject({ speaker: z.string(), dia_id: z.string(), text: z.string().optional(), blip_caption: z.string().nullish() })
const Sample = z.looseObject({
  conversation: z.record(z.string(), z.unknown()),
  qa: z.array(z.looseObject({ question: z.union([z.string(), z.number()]).transform(String), category: z.number(), evidence: z.unknown().optional() })),
})
type Question = { text: string; category: number; evidence: Set<string> }
type Memory = { ref: string } & Record<string, unknown>
type Dialogue = { memories: Memory[]; questions: Question[] }

const cuts = [5, 10, 25, 50] as const
const categories: Record<number, string> = { 4: 'single', 1: 'multi', 2: 'temporal', 3: 'open', 5: 'adversarial' }
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** Stores each dialogue as one user's memories, asks its questions, and counts how much of the evidence is among the first k; and whether scores tell what was never mentioned. */
export async function quality(product: Product, options: Options): Promise<void> {
  if (options.data === undefined) throw new Error('quality takes --data FILE: dialogues in the form of LoCoMo, from its own source (github.com/snap-research/locomo).')
  const dialogues = z
    .array(Sample)
    .parse(JSON.parse(await readFile(options.data, 'utf8')))
    .map(dialogueOf)
  for (const [i, { memories }] of dialogues.entries()) await storeAll(product.http, `dialogue-${i}`, memories)
  const asked = dialogues.flatMap(({ questions }, i) => questions.slice(0, options.short ? 30 : undefined).map((question) => ({ ...question, user: `dialogue-${i}` })))
  const rows: string[][] = []
  const times: number[] = []
  const best = { here: [] as number[], elsewhere: [] as number[] }
  const found: { category: number; recall: number[]; gain: number }[] = []
  for (const [i, question] of asked.entries()) {
    let results: Recalled['results'] = []
    times.push(await timed(async () => (results = await ask(product.http, question.text, question.user))))
    found.push({ category: question.category, ...scoreOf([...new Set(results.map(({ metadata }) => metadata.ref))], question.evidence) })
    best.here.push(results[0]?.score ?? 0)
    // the same question to another dialogue, which never mentioned it
    if (dialogues.length > 1) best.elsewhere.push((await ask(product.http, question.text, otherThan(question.user, i, dialogues.length), 1))[0]?.score ?? 0)
  }
  for (const [number, name] of [...Object.entries(categories), [undefined, 'all']] as const) {
    const some = found.filter(({ category }) => number === undefined || category === Number(number))
    if (some.length)
      rows.push([name as string, count(some.length), ...cuts.map((_, c) => percent(some.map(({ recall }) => recall[c] as number))), percent(some.map(({ gain }) => gain))])
  }
  const memories = dialogues.reduce((sum, one) => sum + one.memories.length, 0)
  printTable(
    `Evidence among the first k, ${count(memories)} turns of ${dialogues.length} dialogues, hybrid; a recall takes ${ms(median(times))} at the median, p95 ${ms(p95(times))}`,
    ['', 'n', ...cuts.map((k) => `recall@${k}`), 'nDCG@10'],
    rows,
  )
  if (best.elsewhere.length) {
    const quantile = (values: number[], share: number) => (values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] as number).toFixed(2)
    printTable(
      `The best score of a question where its answer is, and in another dialogue: the area under the ROC curve is ${areaUnder(best.here, best.elsewhere).toFixed(3)} (aim: 0.8)`,
      ['', 'n', '10 %', '25 %', '50 %', '75 %', '90 %'],
      Object.entries(best).map(([name, values]) => [name, count(values.length), ...[0.1, 0.25, 0.5, 0.75, 0.9].map((share) => quantile(values, share))]),
    )
  }
}

type Recalled = { results: { score: number; metadata: { ref: string } }[] }
const ask = async (http: Http, query: string, user: string, top = 50) => (await http.post<Recalled>('/v1/recall', { query, user_id: user, top_k: top })).results

function otherThan(user: string, i: number, n: number): string {
  const own = Number(user.replace('dialogue-', ''))
  return `dialogue-${(own + 1 + (i % (n - 1))) % n}`
}

async function storeAll(http: Http, user: string, memories: Memory[]): Promise<void> {
  let last = ''
  for (let from = 0; from < memories.length; from += 100) {
    const items = memories.slice(from, from + 100).map(({ ref, ...memory }) => ({ ...memory, user_id: user, metadata: { ref } }))
    last = (await http.post<{ results: { id: string }[] }>('/v1/memories/bulk', { items })).results.at(-1)?.id ?? ''
  }
  while ((await http.get<{ index_state: string }>(`/v1/memories/${last}`)).index_state !== 'indexed') await sleep(100)
}

function dialogueOf({ conversation, qa }: z.output<typeof Sample>): Dialogue {
  const numbers = Object.keys(conversation).flatMap((name) => /^session_(\d+)$/.exec(name)?.[1] ?? [])
  const memories = numbers
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((n) => {
      const start = timeOf(String(conversation[`session_${n}_date_time`]))
      return z
        .array(Turn)
        .parse(conversation[`session_${n}`])
        .map((turn, i): Memory => {
          const text = `${turn.text ?? ''} ${turn.blip_caption ?? ''}`.trim() || '-'
          return { ref: turn.dia_id, text, speaker: turn.speaker, session_id: `session-${n}`, occurred_at: new Date(start + 1000 * i).toISOString() }
        })
    })
  const questions = qa.map(({ question, category, evidence }) => ({
    text: question,
    category,
    evidence: new Set([...JSON.stringify(evidence ?? []).matchAll(/D(\d+):(\d+)/g)].map(([, a, b]) => `D${Number(a)}:${Number(b)}`)),
  }))
  return { memories, questions: questions.filter(({ evidence }) => evidence.size) }
}

/** "1:56 pm on 8 May, 2023" */
function timeOf(text: string): number {
  const [, hour, minute, half, day, month = '', year] = /(\d+):(\d+)\s*(am|pm)\s+on\s+(\d+)\s+(\w+),?\s+(\d{4})/i.exec(text) ?? []
  if (year === undefined) throw new Error('A session has a time that is not of the form "1:56 pm on 8 May, 2023".')
  return Date.UTC(Number(year), months.indexOf(month.slice(0, 3).toLowerCase()), Number(day), (Number(hour) % 12) + (half?.toLowerCase() === 'pm' ? 12 : 0), Number(minute))
}

/** Recall at each cut, and nDCG@10 (Järvelin & Kekäläinen 2002) with gains of 0 and 1. */
function scoreOf(ranked: string[], evidence: Set<string>): { recall: number[]; gain: number } {
  const recall = cuts.map((k) => ranked.slice(0, k).filter((ref) => evidence.has(ref)).length / evidence.size)
  const discount = (i: number) => 1 / Math.log2(i + 2)
  const got = ranked.slice(0, 10).reduce((sum, ref, i) => sum + (evidence.has(ref) ? discount(i) : 0), 0)
  const ideal = Array.from({ length: Math.min(10, evidence.size) }, (_, i) => discount(i)).reduce((sum, gain) => sum + gain, 0)
  return { recall, gain: got / ideal }
}

/** The probability that a score of `high` is greater than one of `low` (Mann & Whitney 1947); equal ones count half. */
function areaUnder(high: number[], low: number[]): number {
  let wins = 0
  for (const one of high) for (const other of low) wins += one > other ? 1 : one === other ? 0.5 : 0
  return wins / (high.length * low.length)
}

const percent = (shares: number[]) => ((100 * shares.reduce((sum, one) => sum + one, 0)) / shares.length).toFixed(1)
