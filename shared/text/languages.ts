/** Languages with stop words and a stemmer; `und` is every other: its words are kept as they are. */
export const stemmed = ['en', 'de', 'fr', 'es', 'pt'] as const
export type Stemmed = (typeof stemmed)[number]
export type Language = Stemmed | 'und'

/** The first part of a tag (BCP 47), by ISO 639-1 and 639-2. */
const codes: Record<string, Language> = { eng: 'en', deu: 'de', ger: 'de', fra: 'fr', fre: 'fr', spa: 'es', por: 'pt' }
for (const language of stemmed) codes[language] = language

/** The language that a tag such as "pt-BR" names. */
export function languageNamed(tag: string): Language {
  const [code = ''] = tag.toLowerCase().split(/[^a-z]/, 1)
  return Object.hasOwn(codes, code) ? (codes[code] as Language) : 'und'
}

/** Stands in the postings of every memory that is not in English, so that a question learns which languages its scope holds. No word has this form. */
export const markOf = (language: Language): string => `@${language}`
export const markedLanguages: readonly Language[] = ['de', 'fr', 'es', 'pt', 'und']
