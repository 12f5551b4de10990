import english from './english.json' with { type: 'json' }
import { foldMarks } from './fold.ts'
import french from './french.json' with { type: 'json' }
import german from './german.json' with { type: 'json' }
import { type Language, type Stemmed, stemmed } from './languages.ts'
import portuguese from './portuguese.json' with { type: 'json' }
import spanish from './spanish.json' with { type: 'json' }

/**
 * Stop words: Snowball's lists without words that carry meaning, with question words and auxiliaries. `common` are frequent words that tell a language too;
 * `weak` are those of both that English prose has as well, in its own words or in names; `silent` are stop words that another language uses far more.
 */
type Lists = { stop: string[]; common: string[]; weak: Set<string>; silent: Set<string> }
const split = (list: string) => list.split(' ')
const listsOf = ({ stop, common, weak, silent }: Record<keyof Lists, string>): Lists => ({
  ...{ stop: split(stop), common: split(common) },
  ...{ weak: new Set(split(weak)), silent: new Set(split(silent)) },
})
const lists: Record<Stemmed, Lists> = {
  en: { stop: english.stop, common: [], weak: new Set(split('a me no as do am an so in on or was will has he her also')), silent: new Set(split('d ll m re s t ve')) },
  de: listsOf(german),
  fr: listsOf(french),
  es: listsOf(spanish),
  pt: listsOf(portuguese),
}

/** What is known of a word: the languages whose stop word it is, as bits, and how much it tells for each. */
export type Known = { stops: number; weights: number[] }
const known = new Map<string, Known>()
const bits = Object.fromEntries(stemmed.map((language, place) => [language, 1 << place])) as Record<Stemmed, number>

function learn(word: string, language: Stemmed, stop: boolean, weight: number): void {
  const one = known.get(word) ?? { stops: 0, weights: stemmed.map(() => 0) }
  known.set(word, one)
  if (stop) one.stops |= bits[language]
  const place = stemmed.indexOf(language)
  one.weights[place] = Math.max(one.weights[place] as number, weight)
}

for (const language of stemmed) {
  const { stop, common, weak, silent } = lists[language]
  const weightOf = (word: string) => {
    if (silent.has(word)) return 0
    // short ones are an abbreviation's or an initial's too
    if (language !== 'en' && /^[^aeiouy]$/.test(word)) return 0.25
    return weak.has(word) || (language !== 'en' && word.length <= 2) ? 0.5 : 1
  }
  for (const [words, isStop] of [
    [stop, true],
    [common, false],
  ] as const) {
    for (const word of words) {
      learn(word, language, isStop, weightOf(word))
      // as it is typed in a hurry
      const bare = foldMarks(word)
      if (bare !== word && !stop.includes(bare)) learn(bare, language, isStop, 0.5)
    }
  }
}

export const lookUp = (word: string): Known | undefined => known.get(word)
export const isStopWord = (word: string, language: Language = 'en'): boolean => language !== 'und' && ((known.get(word)?.stops ?? 0) & bits[language]) !== 0
/** Stop words of so many letters at least. */
export const stopWordsOf = (letters: number, language: Language = 'en'): string[] => (language === 'und' ? [] : lists[language].stop.filter((stop) => stop.length >= letters))
/** Irregular forms of English by the form they are counted as. */
export const irregular: Readonly<Record<string, string>> = Object.assign(Object.create(null), english.irregular)
