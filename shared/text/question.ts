import { baseOf, bigrams, cut, unspaced } from './cut.ts'
import { type Detected, detect } from './detect.ts'
import { type Language, languageNamed, stemmed } from './languages.ts'
import { termIn } from './tokenize.ts'

/** Of a question that is a document: so many terms are looked for, the first of them in the forms of other languages too. */
const mostTerms = 256
const mostWithForms = 128

/**
 * A question as its words are looked for. `language`: whose stop words are left out; `languages`: those by whose rules it may speak of dates, that one first; `held`: those
 * that memories of its scope are in. `forms`: what else a term stands for, as memories of other languages have the same word; a word that is a stop word there has none.
 */
export type Question = {
  text: string
  language: Language
  languages: readonly Language[]
  held: readonly Language[]
  terms: string[]
  forms: ReadonlyMap<string, readonly string[]>
}

/**
 * Reads a question for a scope that holds memories in English and these other languages. Its language is the one it is said to be in, or one of those as it looks, else English. For a
 * scope with English alone that is tokenize(text, 'en'), and no form is looked for.
 */
export function readQuestion(text: string, held: readonly Language[], said?: string): Question {
  const { plain, words } = cut(text)
  const among = stemmed.filter((one) => held.includes(one))
  const detected: Detected = among.length && said === undefined ? detect(words, plain, among) : { language: 'en', english: true }
  const language = said === undefined ? detected.language : languageNamed(said)
  const also: Language[] = [...new Set<Language>(['en', ...held])].filter((one) => one !== language)
  const terms = new Map<string, Set<string>>()
  for (const run of words) {
    if (terms.size >= mostTerms) break
    if (unspaced.test(run)) {
      for (const bigram of bigrams(run)) if (terms.size < mostTerms) terms.set(bigram, terms.get(bigram) ?? new Set())
      continue
    }
    const term = termIn(run, language)
    if (term === undefined) continue
    const forms = terms.get(term) ?? new Set()
    if (also.length && terms.size < mostWithForms) for (const other of also) forms.add(termIn(language === 'en' ? run : baseOf(run, language), other) ?? term)
    terms.set(term, forms)
  }
  const forms = new Map([...terms].map(([term, some]) => [term, [...some].filter((form) => form !== term)] as const).filter(([, some]) => some.length))
  const unsaid = said === undefined && language === 'en' && !detected.english
  // English has months that are words elsewhere: mar, sept
  const languages: Language[] = unsaid ? ['en', ...held] : language === 'und' ? ['und', 'en'] : [language]
  return { text, language, languages, held: ['en', ...held], terms: [...terms.keys()], forms }
}
