import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hashEmbedder } from '../../shared/embed/index.ts'
import { termMatcher } from '../../shared/guide/matcher.ts'
import { isStopWord, languageOfText, readQuestion, requiredTerms, termsOf, tokenize } from '../../shared/text/index.ts'

const languages = ['en', 'de', 'fr', 'es', 'pt', 'sv', undefined] as const
const language = fc.constantFrom(...languages)
const sentences = {
  en: [
    'I went to the market with my brother yesterday',
    'What did you buy?',
    'Los Angeles is where we met',
    'No way, Jose!',
    'the man was in the war',
    'kayak',
    'Rio de Janeiro trip',
  ],
  de: ['Wir haben gestern im Hafen die roten Kisten verkauft', 'Was hast du gekauft?', 'das war in Berlin', 'ich mag das nicht'],
  fr: ["L'homme mange une pomme à l'école", "Qu'est-ce que tu as acheté ?", 'il y a deux chats dans la maison'],
  es: ['Ayer compré unas manzanas en el mercado', '¿Qué compraste?', 'No me gusta nada', 'los niños están en la escuela'],
  pt: ['Ontem comprei umas maçãs no mercado', 'O que você comprou?', 'não gosto disso', 'as crianças estão na escola'],
}

describe('the language of a text', () => {
  test.each(Object.entries(sentences).flatMap(([known, texts]) => texts.map((text) => [known, text])))('%s: %s', (known, text) => {
    expect(languageOfText(text as string)).toBe(known)
  })

  test('what is said counts, by the first part of a tag; one without rules is neutral', () => {
    const text = 'Wir haben die Kisten'
    expect(['en', 'en-GB', 'DE', 'deu', 'pt-BR', 'fr_CA', 'sv', 'english', 'x'].map((said) => languageOfText(text, said))).toEqual([
      'en',
      'en',
      'de',
      'de',
      'pt',
      'fr',
      'und',
      'und',
      'und',
    ])
    expect(languageOfText(text)).toBe('de')
  })

  test('English is not taken for another for a name or a word that others have too', () => {
    for (const text of ['Des Moines', 'La La Land', 'Die Hard was on', 'van Gogh', 'the café', 'jalapeño poppers', 'Jürgen Klopp', 'as a matter of fact', 'C. D. Smith'])
      expect([text, languageOfText(text)]).toEqual([text, 'en'])
  })

  test('depends on the text alone', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.values(sentences).flat()), { minLength: 1, maxLength: 4 }), (parts) => {
        const text = parts.join('. ')
        const first = languageOfText(text)
        for (const other of parts) languageOfText(other)
        expect(languageOfText(text)).toBe(first)
        expect(languageOfText(text.normalize('NFD'))).toBe(first)
      }),
    )
  })
})

describe('the terms of a text', () => {
  test.each([
    ['de', 'Häuser Haus Häusern', ['haus']],
    ['de', 'Straße STRASSE Straßen', ['strass']],
    ['de', 'Kiste Kisten', ['kist']],
    ['fr', "l'homme L’Homme d'hommes qu'homme", ['homm']],
    ['fr', "d'été été", ['ete']],
    ['fr', 'acheter achetait acheté', ['achet']],
    ['es', 'canción cancion canciones', ['cancion']],
    ['es', 'compró compraba comprar', ['compr']],
    ['pt', 'comprou comprava comprar', ['compr']],
    ['pt', "d'água agua", ['agu']],
    ['en', 'went goes going', ['go']],
    ['en', 'café cafés cafe', ['cafe']],
    ['sv', 'Räksmörgåsar', ['räksmörgåsar']],
    [null, '東京タワー', ['東京', '京タ', 'タワ', 'ワー']],
    [null, 'ไทย', ['ไท', 'ทย']],
    [null, 'Чёрный чёрный', ['чёрный']],
  ])('%s: %s', (said, text, terms) => {
    expect([...new Set(tokenize(text, said))]).toEqual(terms)
  })

  test('identifiers of code are found whole and by their parts, and names that are spelt alike are no identifiers', () => {
    expect(tokenize('getUserName(max_retry_count, HTTPServer)')).toEqual(
      expect.arrayContaining(['getusernam', 'get', 'user', 'name', 'max', 'retri', 'count', 'maxretrycount', 'http', 'server', 'httpserver']),
    )
    expect(tokenize('maxRetryCount')).toContain(tokenize('max_retry_count').at(-1))
    expect(tokenize('iPhone eBay TVs _emphasis_ __init__ B2B')).toEqual(['iphon', 'ebay', 'tvs', 'emphasi', 'init', 'b2b'])
  })

  const words = fc
    .constantFrom(
      ...Object.values(sentences)
        .flat()
        .flatMap((text) => text.split(/[\s,.!?¿]+/)),
      'Größe',
      'ﬁne',
      "aujourd'hui",
      '東京',
      'naïve',
      'x',
    )
    .filter(Boolean)
  const texts = fc.array(words, { minLength: 1, maxLength: 12 }).map((list) => list.join(' '))

  test('are the same in any case and Unicode form', () => {
    fc.assert(
      fc.property(texts, language, (text, said) => {
        const terms = tokenize(text, said)
        for (const same of [text.normalize('NFD'), text.normalize('NFKC'), text.toLowerCase(), text.replaceAll("'", '’')]) expect(tokenize(same, said)).toEqual(terms)
      }),
    )
  })

  test('of what holds a digit are what is written, in every language', () => {
    for (const language of ['en', 'de', 'fr', 'es', 'pt', 'und']) expect(tokenize('2023 2013 mp3 w300 1990s', language)).toEqual(['2023', '2013', 'mp3', 'w300', '1990s'])
  })

  test('are never empty, nor longer than 64 characters, and there is one for whatever is no stop word', () => {
    fc.assert(
      fc.property(fc.oneof(fc.stringMatching(/^[a-zäöüßéèçñãõ]{1,80}$/), fc.string({ unit: 'grapheme', maxLength: 100 })), language, (text, said) => {
        const terms = tokenize(text, said)
        for (const term of terms) expect([term.length > 0, term.length <= 64]).toEqual([true, true])
        if (/^[a-z]+$/.test(text) && !['en', 'de', 'fr', 'es', 'pt'].some((one) => isStopWord(text.slice(0, 64), one as 'en'))) expect(terms).toHaveLength(1)
      }),
    )
  })

  test('a word of 64 KiB is one term in every language, whatever it is made of', () => {
    for (const part of ['a', 'é', 'ü', 'ue', 'ção', "l'", 'Aa', '_a', 'ß', 'n'])
      for (const said of languages) {
        const terms = tokenize(part.repeat(65_536 / part.length), said)
        for (const term of terms) expect(term.length).toBeLessThanOrEqual(64)
      }
  })

  test('the postings of a text have what is required of every text that holds a term', () => {
    fc.assert(
      fc.property(texts, language, fc.boolean(), fc.nat(), fc.nat(), (text, said, exact, from, length) => {
        const parts = text.split(' ')
        const first = from % parts.length
        const whole = parts.slice(first, first + 1 + (length % 3)).join(' ')
        const term = exact ? whole : whole.slice(from % whole.length) || whole
        if (!termMatcher(term, { exact, caseSensitive: false })(text)) return
        const { counts } = termsOf({ text, language: said ?? null, tags: [] })
        for (const group of requiredTerms(term, exact)) expect([group, group.some((one) => counts.has(one))]).toEqual([group, true])
      }),
      { numRuns: 2_000 },
    )
  })

  test('a memory that is not in English has a mark of its language, which counts as many words as any of its stop words can be', () => {
    const { counts, length } = termsOf({ text: 'die Kisten und die Kisten', language: 'de', tags: ['und'] })
    expect([Object.fromEntries(counts), length]).toEqual([{ kist: 2, '@de': 5, '#und': 1 }, 2])
    expect([...termsOf({ text: 'the crates', language: null, tags: [] }).counts.keys()]).toEqual(['crate'])
    expect([...termsOf({ text: 'lådorna', language: 'sv', tags: [] }).counts.keys()]).toEqual(['lådorna', '@und'])
    expect(requiredTerms('die', true)).toEqual([['die', '@de', 'di']])
  })

  test('the hash embedder makes the vectors it made before there were languages', async () => {
    const [vector, same] = await hashEmbedder(8).embed(['die Häuser am café', 'die häuser am CAFÉ'], { signal: new AbortController().signal })
    expect(vector).toEqual(same)
    expect([...(vector as Float32Array)].map((one) => Number(one.toFixed(4)))).toEqual(stored)
  })
})

/** Of the commit before. */
const stored = [0.3311, -0.0901, 0.9202, -0.0171, -0.1631, 0, -0.0901, 0.0203]

describe('a question', () => {
  test('to a scope with English alone is cut as English is, and looks for nothing else', () => {
    for (const text of Object.values(sentences).flat()) {
      const { terms, forms, languages: by } = readQuestion(text, [])
      expect([terms, forms.size, by]).toEqual([[...new Set(tokenize(text, 'en'))], 0, ['en']])
    }
  })

  test('looks for a word as each language of its scope has it, and leaves out the stop words of its own', () => {
    const { language: by, terms, forms } = readQuestion('Wo sind die Kisten von Müller?', ['de', 'fr'])
    expect([by, terms, [...forms]]).toEqual([
      'de',
      ['kist', 'mull'],
      [
        ['kist', ['kisten']],
        ['mull', ['muller']],
      ],
    ])
    expect(readQuestion('Müller crates', ['de'])).toMatchObject({ language: 'en', terms: ['muller', 'crate'], languages: ['en', 'de'] })
    expect(readQuestion('Kisten', [], 'de')).toMatchObject({ language: 'de', terms: ['kist'] })
    expect(readQuestion('die Kisten', ['und'], 'sv')).toMatchObject({ language: 'und', terms: ['die', 'kisten'] })
  })

  test('of 64 KiB has few terms and forms', () => {
    const { terms, forms } = readQuestion(Array.from({ length: 9_000 }, (_, i) => `wort${i.toString(36)}en`).join(' '), ['de', 'fr', 'es', 'pt', 'und'])
    expect(terms).toHaveLength(256)
    expect(forms.size).toBeLessThanOrEqual(128)
  })
})
