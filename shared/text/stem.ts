import { stemmer as french } from '@orama/stemmers/french'
import { stemmer as german } from '@orama/stemmers/german'
import { stemmer as portuguese } from '@orama/stemmers/portuguese'
import { stemmer as spanish } from '@orama/stemmers/spanish'
import porter2 from 'wink-porter2-stemmer'
import { longestTerm } from './cut.ts'
import { foldMarks } from './fold.ts'
import type { Stemmed } from './languages.ts'
import { irregular } from './word-lists.ts'

/** Snowball's stemmers know some endings with their accents only; nobody's keyboard has to. */
const accents: Partial<Record<Stemmed, readonly [RegExp, string][]>> = {
  es: [[/([cs])ion$/, '$1ión']],
  pt: [
    [/([cs])ao$/, '$1ão'],
    [/cão$/, 'ção'],
    [/coes$/, 'ções'],
    [/soes$/, 'sões'],
  ],
}

/** Irregular forms are folded twice: mothers, mother, mom. */
function porterStem(base: string): string {
  const folded = irregular[base] ?? base
  return porter2(irregular[folded] ?? folded)
}

const stemmers: Record<Stemmed, (base: string) => string> = {
  en: (base) => porterStem(foldMarks(base)),
  de: german,
  fr: french,
  es: (base) => spanish(withAccents(base, 'es')),
  pt: (base) => portuguese(withAccents(base, 'pt')),
}

function withAccents(base: string, language: Stemmed): string {
  return (accents[language] ?? []).reduce((word, [ending, accented]) => word.replace(ending, accented), base)
}

/** Terms seen before. Measured: ten times as fast, as few words make up most of a text; emptied when full, so it cannot grow with the data. */
const mostKnown = 20_000
const known: Record<Stemmed, Map<string, string>> = { en: new Map(), de: new Map(), fr: new Map(), es: new Map(), pt: new Map() }

const digit = /\p{N}/u

/** The term of a word that is no stop word: of English irregular forms folded and Porter2, else Snowball's stem; without accents, so that languages meet in names. */
export function stemOf(base: string, language: Stemmed): string {
  const terms = known[language]
  const seen = terms.get(base)
  if (seen !== undefined) return seen
  if (terms.size >= mostKnown) terms.clear()
  // a number has no endings; and Porter2's library uses the digit 3 as a mark of its own, so that 2023 became 202i
  const stemmed = digit.test(base) ? base : stemmers[language](base)
  const term = (foldMarks(stemmed) || base).slice(0, longestTerm)
  terms.set(base, term)
  return term
}

/** The English term of a word with its accents, as the first revision of the rules had it. */
export const accentedStem = (base: string): string => (foldMarks(base) === base && !digit.test(base) ? stemOf(base, 'en') : porterStem(base).slice(0, longestTerm))
