import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isOneEdit, type Line, oneEditFrom, rank, repair, spell } from '../../shared/ranking/index.ts'
import { readQuestion, termsOf, tokenize } from '../../shared/text/index.ts'

type Said = { text: string; speaker?: string; session?: string; at?: string; tellsOfTime?: boolean }

/** Memories in the order in which they are given, with the frequencies of all their words. */
function scopeOf(said: Said[]) {
  const df = new Map<string, number>()
  const lines = said.map(({ text, speaker, session, at, tellsOfTime }, i): Line => {
    const { counts, length } = termsOf({ text, language: 'en', tags: [] })
    for (const term of counts.keys()) df.set(term, (df.get(term) ?? 0) + 1)
    const words = [...counts].map(([term, tf]) => ({ term, tf, len: length }))
    const place = { session: session ?? null, speaker: speaker ?? null, asks: text.includes('?') }
    return { key: String(i), at: new Date(at ?? 1_000 * i), tellsOfTime: tellsOfTime ?? false, words, ...place }
  })
  return { lines, frequencies: { memories: lines.length, df } }
}

function ask(text: string, said: Said[]) {
  const { lines, frequencies } = scopeOf(said)
  const question = readQuestion(text, [])
  const { words, terms } = repair(
    spell(question),
    question,
    frequencies.df.keys(),
    said.flatMap(({ speaker }) => speaker ?? []),
  )
  const { ranked, most } = rank({ ...question, words, terms }, lines, frequencies)
  return { ranked, most, found: ranked.map(({ key }) => said[Number(key)]?.text), parts: (i: number) => ranked.find(({ key }) => key === String(i))?.parts }
}
const chat = (session: string, ...turns: [speaker: string, text: string][]): Said[] => turns.map(([speaker, text]) => ({ session, speaker, text }))

describe('the ranking of words', () => {
  test('a rare word counts more than a common one, and a memory that has both most', () => {
    const { found } = ask('green kayak', [{ text: 'green grass' }, { text: 'green door' }, { text: 'my kayak' }, { text: 'the green kayak' }, { text: 'a stone' }])
    expect(found).toEqual(['the green kayak', 'my kayak', 'green grass', 'green door'])
  })

  test('an answer is found by the words of its question, whole when somebody else asked', () => {
    const said = chat('s', ['Ann', 'Where did you buy the kayak?'], ['Ben', 'At the market in Lund.'], ['Ben', 'It was cheap.'])
    const other = chat('t', ['Ben', 'The weather is fine.'], ['Ben', 'At the market in Lund.'])
    const { ranked, parts } = ask('the kayak', [...said, ...other])
    expect(ranked.map(({ key }) => key)).toEqual(['0', '1', '2'])
    expect(parts(1)?.neighbours).toBeCloseTo(parts(0)?.words as number, 9)
    expect(parts(2)?.neighbours).toBeCloseTo(0.36 * (parts(0)?.words as number), 9)
    // whoever goes on after an own question answers nothing
    const alone = ask('the kayak', chat('s', ['Ann', 'Where did I buy the kayak?'], ['Ann', 'At the market.']))
    expect(alone.parts(1)?.neighbours).toBeCloseTo(0.6 * (alone.parts(0)?.words as number), 9)
  })

  test('neighbours count by the best of them, never by their sum, and not beyond their session', () => {
    const said = [...chat('s', ['Ann', 'kayak'], ['Ann', 'and then'], ['Ann', 'kayak']), ...chat('t', ['Ann', 'unrelated']), { text: 'no session' }]
    const { parts, ranked } = ask('kayak', said)
    expect(parts(1)?.neighbours).toBeCloseTo(0.6 * (parts(0)?.words as number), 9)
    expect(ranked.map(({ key }) => key).sort()).toEqual(['0', '1', '2'])
  })

  test('who is named in the question counts for who speaks, by a part of the name or its beginning, and is no word of it', () => {
    const said = [{ text: 'I like tea', speaker: 'Melanie Fox' }, { text: 'I like tea', speaker: 'Ben' }, { text: 'Melanie, like tea' }]
    for (const question of ['what tea does Melanie like', 'what tea does Mel like', 'does fox like tea']) {
      const { ranked, parts } = ask(question, said)
      expect([question, ranked[0]?.key]).toEqual([question, '0'])
      expect(parts(0)?.speaker).toBe(2)
      expect(parts(1)?.speaker).toBe(0)
    }
    // her name gives the memory that mentions her nothing, and two names together nobody anything
    expect(ask('what does Melanie like', said).parts(2)?.words).toBeCloseTo(ask('like', said).parts(2)?.words as number, 9)
    expect(ask('do Ben and Melanie like tea', said).parts(0)?.speaker).toBe(0)
  })

  test.each([
    ['what was on 7 May 2023', '2023-05-07'],
    ['what was on May 7th, 2023', '2023-05-07'],
    ['what was on 07.05.2023', '2023-05-07'],
    ['what was on 2023-05-07', '2023-05-07'],
    ['what was in May 2023', '2023-05-20'],
    ['what was during May', '2023-05-20'],
    ['what was in 2023', '2023-11-11'],
    ['what was on the 7th of May', '2023-05-07'],
  ])('%s is about a day', (question, at) => {
    const said = [
      { text: 'a walk', at: '2020-02-02' },
      { text: 'a walk', at },
    ]
    const { ranked } = ask(question, said)
    expect(ranked[0]).toMatchObject({ key: '1', parts: { date: 6 } })
  })

  test('what is told later counts for the day less and less, what was planned before it sooner nothing', () => {
    const said = ['2023-05-04', '2023-05-07', '2023-05-17', '2023-08-01'].map((at) => ({ text: 'a walk', at }))
    const { parts } = ask('the walk of 7 May 2023', said)
    expect(parts(1)?.date).toBe(6)
    expect(parts(2)?.date).toBeCloseTo(6 / Math.E, 9)
    expect(parts(0)?.date).toBeCloseTo(6 / Math.E, 9)
    expect(parts(3)?.date).toBe(0)
  })

  test.each(['31 February 2023', 'may I march there', '99.99.2023', 'version 1.2.2023.4', '2023-13-01'])('%s names no day', (text) => {
    expect(ask(`a walk ${text}`, [{ text: 'a walk', at: '2023-05-07' }]).parts(0)?.date).toBe(0)
  })

  test('a question for a time prefers what tells of one', () => {
    const said = [{ text: 'the walk was nice' }, { text: 'the walk was yesterday', tellsOfTime: true }]
    expect(ask('when was the walk', said).ranked[0]).toMatchObject({ key: '1', parts: { when: 1.5 } })
    expect(ask('was the walk nice', said).parts(1)?.when).toBe(0)
  })

  test('words with the same beginning count half, and not more than their own rarity', () => {
    const { parts } = ask('photographer', [{ text: 'photographer' }, { text: 'photography' }, { text: 'phone' }, { text: 'stone' }])
    expect(parts(1)?.words).toBeCloseTo((parts(0)?.words as number) / 2, 9)
    expect(parts(2)).toBeUndefined()
  })

  test('a score never passes the most there could be, whatever is said and asked', () => {
    const word = fc.constantFrom('tea', 'kayak', 'Ann', 'Ben', 'when', 'May 2023', 'green', 'greenhouse', '?', 'yesterday', '茶', 'the')
    const text = fc.array(word, { maxLength: 6 }).map((words) => words.join(' '))
    const said = fc.record({ text, speaker: fc.constantFrom('Ann', 'Ben'), session: fc.constantFrom('s', 't'), at: fc.constantFrom('2023-05-01', '2023-05-09', '2024-01-01') })
    fc.assert(
      fc.property(fc.array(said, { maxLength: 12 }), text, (memories, question) => {
        const sorted = memories.toSorted((a, b) => a.session.localeCompare(b.session))
        const { ranked, most } = ask(question, sorted)
        for (const [i, { score, parts }] of ranked.entries()) {
          expect(score).toBeGreaterThan(0)
          expect(score).toBeLessThanOrEqual(most + 1e-9)
          expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBeCloseTo(score, 6)
          expect(score).toBeLessThanOrEqual(ranked[i - 1]?.score ?? Number.POSITIVE_INFINITY)
        }
      }),
    )
  })
})

describe('misspelt words', () => {
  const known = new Set(tokenize('adoption agency kayak'))
  const mended = (text: string) => {
    const question = readQuestion(text, [])
    return repair(spell(question), question, known, ['Caroline'])
  }

  test('a misspelt stop word or name is no word of the question, and the name counts as named', () => {
    expect(mended('whta about Carolnie kayak')).toMatchObject({ terms: ['kayak'], unknown: [] })
    expect(mended('whta about Carolnie kayak').words.map(({ folded }) => folded)).toContain('caroline')
  })

  test('what is known there is never taken for another word, and what is not is looked for one edit away', () => {
    expect(mended('kayak adpotion')).toMatchObject({ terms: ['kayak', 'adpot'], unknown: ['adpot'] })
    expect(mended('adoptoin').unknown).toEqual([])
    expect(mended('xyz').unknown).toEqual([])
  })

  test('a question of ten thousand unknown words is looked at in its first ones, and a few are looked for', () => {
    const long = Array.from({ length: 10_000 }, (_, i) => `zq${i.toString(36)}xw`).join(' ')
    const { words, unknown } = mended(long)
    expect([words.length, unknown.length]).toEqual([256, 8])
  })

  test('one edit is a letter more, less or another, or two exchanged; and all such words are made', () => {
    for (const near of ['kayk', 'kayakk', 'kaxak', 'kyaak', 'ayak', 'kaya']) expect([near, isOneEdit('kayak', near)]).toEqual([near, true])
    for (const far of ['kayak', 'kayakkk', 'kxxak', 'boat']) expect([far, isOneEdit('kayak', far)]).toEqual([far, false])
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zäé]{1,9}$/), (word) => {
        const made = oneEditFrom(word)
        for (const one of made) expect([one, isOneEdit(word, one)]).toEqual([one, true])
        expect(made).not.toContain(word)
        expect(made.length).toBeLessThan(60 * (word.length + 1))
      }),
    )
  })
})
