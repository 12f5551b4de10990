import { beforeAll, expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { loseWakeUps } from './admin.ts'

type Result = { text: string; score: number; explain: { parts: Record<string, number>; matched_terms: string[] } }

describeEngines('recall in several languages', (product) => {
  beforeAll(() => loseWakeUps(product()))

  const ask = async (ada: Caller, query: string, more: object = {}): Promise<Result[]> => {
    const { status, body } = await product().call(ada, 'POST', '/v1/recall', { query, mode: 'lexical', explain: true, ...more })
    expect([status, body.detail]).toEqual([200, undefined])
    return body.results
  }
  const first = async (ada: Caller, query: string, more: object = {}) => (await ask(ada, query, more))[0]?.text
  const store = async (ada: Caller, ...items: (string | Record<string, unknown>)[]) => {
    const { status } = await product().call(ada, 'POST', '/v1/memories/bulk', { items: items.map((one) => (typeof one === 'string' ? { text: one } : one)) })
    expect(status).toBe(200)
  }

  const de = 'Anna hat gestern die roten Kisten mit den Äpfeln im Hafen verkauft.'
  const fr = "L'homme a acheté des chevaux à l'école, un soir d'été."
  const es = 'Ayer Marta compró dos canciones en la estación de Málaga.'
  const pt = 'Ontem o João comprou três maçãs e um cartão na estação.'
  const en = 'Anna sold the green boxes at the harbour.'

  test('a memory is found by other forms of its words, whether its language is said or seen, alone or among others', async () => {
    const asked: [string, string][] = [
      [de, 'rote Kiste'],
      [de, 'Apfel Häfen'],
      [de, 'Wer verkauft Kisten?'],
      [fr, 'cheval écoles'],
      [fr, 'Qui achetait un cheval ?'],
      [fr, 'hommes'],
      [es, 'cancion comprar'],
      [es, '¿Quién compraba canciones en Malaga?'],
      [pt, 'maçã comprar'],
      [pt, 'cartões estações'],
      [en, 'selling a green box'],
    ]
    const said = await product().tenant()
    await store(said, { text: de, language: 'de-AT' }, { text: fr, language: 'fr' }, { text: es, language: 'es' }, { text: pt, language: 'pt-BR' }, { text: en, language: 'en' })
    const seen = await product().tenant()
    await store(seen, de, fr, es, pt, en)
    for (const [text, query] of asked) for (const ada of [said, seen]) expect([query, await first(ada, query)]).toEqual([query, text])
  })

  test('a name is found from any language in any other, with its accents and without', async () => {
    const ada = await product().tenant()
    await store(ada, 'Herr Müller hat die Bücher nach Köln gebracht.', 'Señor Muñoz llevó los libros a la estación.', 'The books are on the table.')
    for (const query of ['Müller', 'muller', 'Did Müller bring them?', 'Koln', 'Que fait Müller ?'])
      expect([query, await first(ada, query)]).toEqual([query, 'Herr Müller hat die Bücher nach Köln gebracht.'])
    for (const query of ['Muñoz', 'munoz', 'where is Munoz']) expect([query, await first(ada, query)]).toEqual([query, 'Señor Muñoz llevó los libros a la estación.'])
  })

  test('a scope with English alone is asked for English, another user of the namespace changes nothing', async () => {
    const ada = await product().tenant()
    await store(ada, { text: 'the plan for the planes', user_id: 'e' }, { text: 'Die Pläne für das Haus sind fertig.', user_id: 'd' })
    const [only] = await ask(ada, 'Pläne Kisten', { user_id: 'e' })
    expect(only?.explain.matched_terms).toEqual(['plane'])
    expect(await first(ada, 'Plan', { user_id: 'd' })).toBe('Die Pläne für das Haus sind fertig.')
    expect((await ask(ada, 'plan')).map(({ text }) => text).sort()).toEqual(['Die Pläne für das Haus sind fertig.', 'the plan for the planes'])
  })

  test('what is said of the language of a query counts, and is refused where it is no tag', async () => {
    const ada = await product().tenant()
    await store(ada, 'Die alte Fabrik war im Krieg.', 'the war and the man')
    // to English "war" is a word, to German it is none
    expect((await ask(ada, 'war', { language: 'en' })).map(({ text }) => text)).toEqual(['the war and the man'])
    expect(await ask(ada, 'war', { language: 'de' })).toEqual([])
    const { status, body } = await product().call(ada, 'POST', '/v1/recall', { query: 'war', language: 'd' })
    expect([status, body.errors?.[0]?.pointer]).toEqual([422, '/language'])
  })

  test.each([
    ['de', 'Wann war Anna im Hafen?', 'Anna war gestern im Hafen.', 'Anna war mit uns im Hafen.'],
    ['fr', 'Quand est-ce que Luc était au marché ?', 'Luc était au marché avant-hier.', 'Luc était au marché avec nous.'],
    ['es', '¿Cuándo estuvo Ana en el puerto?', 'Ana estuvo en el puerto el lunes.', 'Ana estuvo en el puerto con nosotros.'],
    ['pt', 'Quando a Ana esteve no porto?', 'A Ana esteve no porto na segunda-feira.', 'A Ana esteve no porto com todos nós.'],
  ])('%s: %s prefers what tells of a time', async (_language, query, telling, other) => {
    const ada = await product().tenant()
    await store(ada, other, telling)
    const results = await ask(ada, query)
    expect(results.map(({ text, explain }) => [text, explain.parts.when])).toEqual([
      [telling, 1.5],
      [other, 0],
    ])
  })

  test.each([
    ['Was geschah am 7. Mai 2023 im Hafen?', 'Wir waren mit den Kisten im Hafen.'],
    ['Que faisait-on au port le 7 mai 2023 ?', 'Nous étions au port avec les caisses.'],
    ['¿Qué pasó el 7 de mayo de 2023 en el puerto?', 'Estuvimos en el puerto con las cajas.'],
    ['O que aconteceu no porto em 7 de maio de 2023?', 'Nós estivemos no porto com as caixas.'],
  ])('%s is about a day', async (query, text) => {
    const ada = await product().tenant()
    await store(ada, { text, occurred_at: '2021-01-01' }, { text, occurred_at: '2023-05-07' }, { text, occurred_at: '2024-05-01' })
    const results = await ask(ada, query)
    expect(results[0]).toMatchObject({ occurred_at: '2023-05-07T00:00:00.000Z', explain: { parts: { date: 6 } } })
    expect(results[1]?.explain.parts.date).toBeLessThan(1)
  })

  test('Chinese, Japanese and Thai are found by pairs of characters beside the others, and a question there is one', async () => {
    const ada = await product().tenant()
    const chat = (turns: [string, string][]) => turns.map(([speaker, text], i) => ({ text, speaker, session_id: 's', occurred_at: `2024-01-01T00:00:0${i}Z` }))
    await store(
      ada,
      '安娜昨天在港口卖了红色的箱子。',
      'アンナは港で赤い箱を売りました。',
      'ขายกล่องสีแดง',
      de,
      ...chat([
        ['田中', '誰が自転車を修理しましたか？'],
        ['鈴木', '私です。'],
      ]),
    )
    expect(await first(ada, '红色箱子')).toBe('安娜昨天在港口卖了红色的箱子。')
    expect(await first(ada, '赤い箱')).toBe('アンナは港で赤い箱を売りました。')
    expect(await first(ada, 'กล่อง')).toBe('ขายกล่องสีแดง')
    const [question, answer] = await ask(ada, '自転車 修理')
    expect([question?.text, answer?.text, answer?.explain.parts.neighbours]).toEqual(['誰が自転車を修理しましたか？', '私です。', question?.explain.parts.words])
  })

  test('code is found by the whole of an identifier in either spelling, and by its parts', async () => {
    const ada = await product().tenant()
    const camel = 'export function getUserName(accountId: string) { return cache.readEntry(accountId) }'
    const snake = 'def load_retry_limit(config_path): return parse(config_path)'
    await store(ada, camel, snake, 'The user has a name.', 'Retry it later, there is no limit.')
    for (const query of ['getUserName', 'get_user_name', 'account id', 'readEntry']) expect([query, await first(ada, query)]).toEqual([query, camel])
    for (const query of ['load_retry_limit', 'loadRetryLimit', 'configPath']) expect([query, await first(ada, query)]).toEqual([query, snake])
  })

  test('a neutral language keeps its words, and they are found as they are', async () => {
    const ada = await product().tenant()
    await store(ada, { text: 'Räksmörgåsar och kaffe', language: 'sv' }, 'Shrimps and coffee')
    expect(await first(ada, 'räksmörgåsar')).toBe('Räksmörgåsar och kaffe')
    expect(await first(ada, 'räksmörgåsar', { language: 'sv' })).toBe('Räksmörgåsar och kaffe')
  })

  test('a misspelt word and a misspelt stop word are mended in the language of the question', async () => {
    const ada = await product().tenant()
    await store(ada, de, 'Wir essen heute Kuchen.')
    expect(await first(ada, 'wlche Kistne verkauft ihr?')).toBe(de)
  })

  test('as of an instant the languages of then count', async () => {
    const ada = await product().tenant()
    const { body } = await product().call(ada, 'POST', '/v1/memories', { text: de })
    const at = new Date(Date.parse(body.created_at) + 1).toISOString()
    await product().call(ada, 'PATCH', `/v1/memories/${body.id}`, { text: en })
    expect(await first(ada, 'rote Kiste', { as_of: at })).toBe(de)
    expect((await ask(ada, 'rote Kiste')).length).toBe(0)
  })

  test('a context of the guides counts in the language of each memory', async () => {
    const ada = await product().tenant()
    await store(ada, 'Die Kisten im Hafen sind grün.', 'Die Kisten im Hafen sind voll Äpfel.')
    const { body } = await product().call(ada, 'POST', '/recall_with_context', { query: 'Kisten', context: { about: 'ein Apfel' } })
    expect(body.results[0]).toEqual({ text: 'Die Kisten im Hafen sind voll Äpfel.' })
  })
})
