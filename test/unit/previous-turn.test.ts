import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../shared/config/index.ts'
import { baseModel, createEmbedder, createNextEmbedder, embedderOf, hashEmbedder, previousTurn, takesPreviousTurn, textOfTurn, withPreviousTurn } from '../../shared/embed/index.ts'

const model = { model: withPreviousTurn('m') }
const said = (speaker: string | null, text: string) => ({ speaker, text })

describe('what is embedded of a memory', () => {
  test('is the turn before it and itself, each under its speaker', () => {
    const turn = { ...said('Ada', 'Yes, last week.'), previous: said('Ben', 'Have you been to Porto?') }
    expect(textOfTurn(model, turn)).toBe('Ben: Have you been to Porto?\nAda: Yes, last week.')
    expect(textOfTurn(model, { ...turn, speaker: null })).toBe('Ben: Have you been to Porto?\nYes, last week.')
    expect(textOfTurn(model, { ...turn, previous: said(null, 'Porto?') })).toBe('Porto?\nAda: Yes, last week.')
  })

  test('is itself where nothing was before it', () => {
    for (const previous of [null, undefined, said('Ben', '')]) expect(textOfTurn(model, { ...said('Ada', 'Yes.'), previous })).toBe('Ada: Yes.')
    expect(textOfTurn(model, said(null, 'Yes.'))).toBe('Yes.')
  })

  test('is the text alone for a model that takes no previous turn', () => {
    expect(textOfTurn({ model: 'm' }, { ...said('Ada', 'Yes.'), previous: said('Ben', 'Porto?') })).toBe('Yes.')
  })

  test('is the end of a long turn before it, which never shortens what the memory itself says', () => {
    const long = `${'so much was said '.repeat(100)}and then: where to?`
    const text = textOfTurn(model, { ...said('Ada', 'Home.'), previous: said('Ben', long) })
    expect(text.endsWith('and then: where to?\nAda: Home.')).toBe(true)
    expect(text.length).toBe(previousTurn.most + '\nAda: Home.'.length)
    expect(textOfTurn(model, { ...said(null, 'x'.repeat(previousTurn.whole)), previous: said('Ben', 'Porto?') })).toBe('x'.repeat(previousTurn.whole))
    // a model that takes 100 characters is given no more, and all of the memory's own
    expect(textOfTurn({ ...model, characters: 100 }, { ...said(null, 'x'.repeat(80)), previous: said(null, 'y'.repeat(80)) })).toBe(`${'y'.repeat(19)}\n${'x'.repeat(80)}`)
  })

  test('holds the whole of the memory at its end, stays in its bounds and has no half characters', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 1_500 })
    const speaker = fc.option(fc.string({ minLength: 1, maxLength: 256, unit: 'grapheme' }))
    fc.assert(
      fc.property(fc.record({ text, speaker }), fc.option(fc.record({ text, speaker })), (turn, previous) => {
        const alone = textOfTurn(model, turn)
        const given = textOfTurn(model, { ...turn, previous })
        expect(given.endsWith(alone)).toBe(true)
        expect(given.length).toBeLessThanOrEqual(Math.max(alone.length, previousTurn.whole))
        expect(given.length - alone.length).toBeLessThanOrEqual(previousTurn.most + 1)
        expect(given.isWellFormed()).toBe(true)
      }),
    )
  })
})

describe('an embedder', () => {
  const http = { EMBEDDER: 'http', EMBEDDING_URL: 'http://127.0.0.1:9/e', EMBEDDING_MODEL: 'm' }

  test('of a server takes the previous turn unless told otherwise, and its vectors are named by it', () => {
    expect(createEmbedder(parseConfig(http)).model).toBe('m+previous-turn')
    expect(createEmbedder(parseConfig({ ...http, EMBEDDING_CONTEXT: 'none' })).model).toBe('m')
    expect(baseModel('m+previous-turn')).toBe('m')
    const bedrock = { EMBEDDER: 'bedrock', EMBEDDING_MODEL: 'amazon.titan-embed-text-v2:0', EMBEDDING_DIM: '256', AWS_REGION: 'eu-central-1' }
    expect(createEmbedder(parseConfig(bedrock))).toMatchObject({ model: 'amazon.titan-embed-text-v2:0+previous-turn', characters: 50_000 })
    expect(createEmbedder(parseConfig({ ...http, EMBEDDING_MAX_CHARACTERS: '500' })).characters).toBe(500)
    const next = { EMBEDDER_NEXT: 'http', EMBEDDING_NEXT_URL: http.EMBEDDING_URL, EMBEDDING_NEXT_MODEL: 'm', EMBEDDING_NEXT_DIM: '384' }
    expect(createNextEmbedder(parseConfig({ ...http, ...next, EMBEDDING_CONTEXT: 'none' }))?.model).toBe('m+previous-turn')
    expect(createNextEmbedder(parseConfig({ ...http, ...next, EMBEDDING_NEXT_CONTEXT: 'none' }))?.model).toBe('m')
  })

  test('of hashes takes none', () => {
    expect(takesPreviousTurn(createEmbedder(parseConfig({})).model)).toBe(false)
    expect(() => parseConfig({ EMBEDDING_CONTEXT: 'previous-turn' })).toThrow(/EMBEDDING_CONTEXT got "previous-turn"/)
    expect(() => parseConfig({ ...http, EMBEDDER_NEXT: 'hash', EMBEDDING_NEXT_DIM: '384', EMBEDDING_NEXT_CONTEXT: 'previous-turn' })).toThrow(/EMBEDDING_NEXT_CONTEXT got/)
    expect(() => parseConfig({ ...http, EMBEDDING_CONTEXT: 'all' })).toThrow(/EMBEDDING_CONTEXT got "all"/)
  })

  test('of one server serves both kinds of texts of its model, and no other model', async () => {
    const embedder = createEmbedder(parseConfig(http))
    expect(embedderOf({ embedder }, { name: 'm+previous-turn', dimension: 384 })).toBe(embedder)
    expect(embedderOf({ embedder }, { name: 'm', dimension: 384 })).toMatchObject({ model: 'm', embed: embedder.embed })
    for (const other of [
      { name: 'm', dimension: 12 },
      { name: 'n', dimension: 384 },
    ])
      await expect(embedderOf({ embedder, next: hashEmbedder(384) }, other).embed(['x'])).rejects.toThrow('this process has no embedder of it')
  })
})
