import { type Stemmed, stemmed } from './languages.ts'
import { type Known, lookUp } from './word-lists.ts'

/** A text tells its language within so many words. */
const mostWords = 1_000
/** What another language needs, and how far it must be ahead of English: measured, docs/recall.md. */
const least = 1
const ahead = 0.5

const beyondAscii = /[^\0-\x7f]/
/** Letters that tell, by what they tell for en, de, fr, es, pt. */
const letters: readonly [RegExp, readonly number[]][] = [
  [/ß/u, [0, 1, 0, 0, 0]],
  [/[äöü]/iu, [0, 0.5, 0, 0, 0]],
  [/[¿¡]/u, [0, 0, 0, 1, 0]],
  [/ñ/iu, [0, 0, 0, 0.5, 0]],
  [/[ãõ]/iu, [0, 0, 0, 0, 0.5]],
  [/[çà]/iu, [0, 0, 0.25, 0, 0.25]],
  [/[èêùœî]/iu, [0, 0, 0.25, 0, 0]],
  [/[áíóú]/iu, [0, 0, 0, 0.25, 0.25]],
]

/** Endings that English words do not have, of words of five letters and more: half a word each, where nothing tells English. */
const endings: readonly (readonly [RegExp, Stemmed])[] = [
  [/(?:ungen|keit|heit)$/u, 'de'],
  [/(?:lich|isch|bar)(?:e[nrsm]?)?$/u, 'de'],
  [/(?:schaft|cht|tzt|iert)$/u, 'de'],
  [/(?:ités?|eaux?|ées?|és)$/u, 'fr'],
  [/(?:aient|eux|aux|oires?|ères?|ront|euses?)$/u, 'fr'],
  [/(?:ci[oó]n|ciones|siones|idad(?:es)?)$/u, 'es'],
  [/(?:iendo|ían?|aban?|aron|ieron|illos?|illas?)$/u, 'es'],
  [/(?:ção|ções|idades?|ões)$/u, 'pt'],
  [/(?:aram|eram|avam?|ências?|inh[oa]s?|agem|agens)$/u, 'pt'],
]
const shortText = 64
const shortestWithEnding = 5
const longestEnding = 8
/** What only one of two close languages writes, where all else is equal. */
const portuguese = /[ãõçâêô]|nh|lh|ss|(?:dade|gem|m|ou)(?!\p{L})/u

/** `english`: whether anything tells that it is English; nothing does in many a short question. */
export type Detected = { language: Stemmed; english: boolean }

/**
 * The language of a text, from its words (lower case) and letters: each distinct stop word or frequent word counts for its languages. English unless
 * another of those `among` which it may be is ahead by a whole word. Depends on nothing else.
 */
export function detect(words: readonly string[], text: string, among: readonly Stemmed[] = stemmed): Detected {
  const scores = [0, 0, 0, 0, 0]
  const seen = new Set<Known>()
  for (let i = 0; i < words.length && i < mostWords; i++) {
    const run = words[i] as string
    for (const part of run.includes("'") ? run.split("'") : [run]) {
      const one = lookUp(part)
      if (one === undefined || seen.has(one)) continue
      seen.add(one)
      add(scores, one.weights)
    }
  }
  if (beyondAscii.test(text)) for (const [pattern, weights] of letters) if (pattern.test(text)) add(scores, weights)
  const english = scores[0] as number
  if (english === 0 && words.length <= shortText) {
    for (const [pattern, language] of endings) {
      const place = stemmed.indexOf(language)
      if (words.some((run) => run.length >= shortestWithEnding && pattern.test(run.slice(-longestEnding)))) scores[place] = (scores[place] as number) + 0.5
    }
  }
  if (scores[3] === scores[4] && portuguese.test(text)) scores[4] = (scores[4] as number) + 0.01
  let best = 0
  for (let l = 1; l < stemmed.length; l++) {
    const score = scores[l] as number
    if (score >= least && score >= english + ahead && score > (scores[best] as number) && among.includes(stemmed[l] as Stemmed)) best = l
  }
  return { language: stemmed[best] as Stemmed, english: english > 0 }
}

function add(scores: number[], weights: readonly number[]): void {
  for (let l = 0; l < scores.length; l++) scores[l] = (scores[l] as number) + (weights[l] as number)
}
