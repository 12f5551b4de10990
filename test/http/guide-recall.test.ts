import { expect, test } from 'vitest'
import { type Caller, describeEngines } from '../support/engines.ts'
import { expectProblem } from './checks.ts'

const long = (length: number) => 'x'.repeat(length)
const texts = (answer: { body: { results: { text?: string; payload?: { text: string } }[] } }) => answer.body.results.map((one) => one.payload?.text ?? one.text)

describeEngines('the guides’ recalls', (product) => {
  const post = (caller: Caller, path: string, body: unknown) => product().call(caller, 'POST', path, body)
  const get = (caller: Caller, path: string) => product().call(caller, 'GET', path)

  async function library(payloads: (string | Record<string, unknown>)[]): Promise<Caller> {
    const caller = await product().tenant()
    const items = payloads.map((one, i) => ({ coord: `${i}`, payload: typeof one === 'string' ? { text: one } : one, type: 'episodic' }))
    expect((await post(caller, '/store_bulk', { items })).status).toBe(200)
    await product().settle()
    return caller
  }

  test('recall answers payloads in the order of their scores, the same by GET and POST, and takes a filter in both', async () => {
    const ada = await library([{ text: 'the pier was painted', run_id: '7' }, { text: 'the pier, the pier of Lisbon', run_id: '8' }, 'tea in the morning'])
    const found = await post(ada, '/recall', { query: 'pier of Lisbon', top_k: 2 })
    expect(found.body.matches.map((one: { text: string }) => one.text)).toEqual(['the pier, the pier of Lisbon', 'the pier was painted'])
    expect(found.body.memory).toEqual(found.body.matches)
    expect(found.body.wm).toEqual([])
    const scores = found.body.results.map((one: { score: number }) => one.score)
    expect(scores).toEqual(scores.toSorted((a: number, b: number) => b - a))
    expect((await get(ada, '/recall?query=pier%20of%20Lisbon&top_k=2')).body).toEqual(found.body)
    const filters = { 'payload.run_id': '7' }
    const one = await post(ada, '/recall', { query: 'pier', filters })
    expect(one.body.matches).toEqual([{ text: 'the pier was painted', run_id: '7' }])
    expect((await get(ada, `/recall?query=pier&filters=${encodeURIComponent(JSON.stringify(filters))}`)).body).toEqual(one.body)
    const byMeaning = await post(ada, '/recall', { query: 'pier', hybrid: false })
    expect((await get(ada, '/recall?query=pier&hybrid=false')).body).toEqual(byMeaning.body)
    expect(byMeaning.body.results[0].score).not.toEqual(one.body.results[0].score)
    expect((await post(ada, '/recall', { query: 'pier', type: 'semantic' })).body.matches).toEqual([])
    expect((await post(ada, '/recall', { query: 'pier', type: null })).body.matches).toHaveLength(2)
  })

  test('a batch answers what each query alone does, in the order of the queries', async () => {
    const ada = await library(['red fox', 'blue whale', 'green frog', 'red kettle'])
    const queries = ['whale', 'fox', 'nothing of that', 'red', 'frog', 'kettle']
    const { body } = await post(ada, '/recall_batch', { queries, top_k: 2 })
    const alone = []
    for (const query of queries) alone.push((await post(ada, '/recall', { query, top_k: 2 })).body.matches)
    expect(body.batches).toEqual(alone)
    expect(body.batches[3].map((one: { text: string }) => one.text).sort()).toEqual(['red fox', 'red kettle'])
  })

  test('terms lift what holds them: score · (1 + (boost − 1) · share) / boost', async () => {
    const ada = await library(['harbour ferry leaves at nine', 'harbour ferry leaves late, Ada said', 'the harbour ferry of Ada Lovelace leaves'])
    const plain = await post(ada, '/recall_with_scores', { query: 'harbour ferry leaves' })
    const score = new Map(plain.body.results.map((one: { payload: { text: string }; score: number }) => [one.payload.text, one.score]))
    for (const path of ['/recall_with_scores', '/hybrid_recall_with_scores']) {
      const { body } = await post(ada, path, { query: 'harbour ferry leaves', terms: ['Ada', 'ada lovelace'], boost: 4 })
      const share: Record<string, number> = { 'harbour ferry leaves at nine': 0, 'harbour ferry leaves late, Ada said': 0.5, 'the harbour ferry of Ada Lovelace leaves': 1 }
      expect(body.results.map((one: { payload: { text: string } }) => share[one.payload.text])).toEqual([1, 0.5, 0])
      for (const { payload, score: lifted } of body.results) expect(lifted).toBeCloseTo(((score.get(payload.text) as number) * (1 + 3 * (share[payload.text] as number))) / 4, 8)
    }
    const best = async (more: object) =>
      (await post(ada, '/hybrid_recall_with_scores', { query: 'harbour ferry leaves', boost: 100, top_k: 1, ...more })).body.results[0].payload.text
    expect(await best({ terms: ['ADA LOVELACE'] })).toBe('the harbour ferry of Ada Lovelace leaves')
    // case counts only when it is asked to, a part of a word only when it is not exact
    const scoresOf = async (more: object) =>
      (await post(ada, '/hybrid_recall_with_scores', { query: 'harbour ferry leaves', ...more })).body.results.map((one: { score: number }) => one.score)
    expect(await scoresOf({ terms: ['ADA'], case_sensitive: true, boost: 100 })).toEqual((await scoresOf({})).map((one: number) => expect.closeTo(one / 100, 8)))
    expect(await best({ terms: ['loveLAC'], exact: false })).toBe('the harbour ferry of Ada Lovelace leaves')
    expect(await scoresOf({ terms: ['loveLAC'], boost: 100 })).toEqual((await scoresOf({})).map((one: number) => expect.closeTo(one / 100, 8)))
    expect(await scoresOf({ terms: null, boost: 1 })).toEqual(await scoresOf({}))
  })

  test('a context prefers its words and ids, by the formula that is written down', async () => {
    const ada = await library([
      { text: 'dinner was served late', run_id: 'r1' },
      { text: 'dinner was served late on the boat', run_id: 'r2' },
      { text: 'dinner was served late in the garden', run_id: 'r3' },
    ])
    const first = async (context?: unknown) =>
      texts(await post(ada, '/recall_with_context', { query: 'dinner served late', top_k: 1, ...(context === undefined ? {} : { context }) }))[0]
    const plain = await post(ada, '/recall_with_scores', { query: 'dinner served late', top_k: 1 })
    expect(await first()).toBe(texts(plain)[0])
    expect(await first({})).toBe(texts(plain)[0])
    expect(await first({ place: { on: ['boats'] } })).toBe('dinner was served late on the boat')
    expect(await first({ topic: 'gardens' })).toBe('dinner was served late in the garden')
    expect(await first({ run_id: 'r2' })).toBe('dinner was served late on the boat')
    expect(await first({ run_id: 'r1', session_id: null })).toBe('dinner was served late')
    await product().call(ada, 'POST', '/v1/memories', { text: 'dinner was served late', user_id: 'eve' })
    expect(await first({ user_id: 'eve' })).toBe('dinner was served late')
    expectProblem(await post(ada, '/recall_with_context', { query: 'x', context: { run_id: 7 } }), 'invalid', '/context/run_id')
  })

  test('search pages through a recall with whole memories', async () => {
    const ada = await library(Array.from({ length: 12 }, (_, i) => `lantern number ${i}`))
    const all = (await post(ada, '/memories/search', { query: 'lantern', top_k: 12 })).body.memories
    expect(all).toHaveLength(12)
    for (const one of all) expect(one).toMatchObject({ payload: { text: `lantern number ${one.coord}` }, memory_type: 'episodic', score: expect.any(Number) })
    const pages = []
    for (const offset of [0, 5, 10]) pages.push(...(await get(ada, `/memories/search?query=lantern&top_k=5&offset=${offset}`)).body.memories)
    expect(pages.map((one: { id: string }) => one.id)).toEqual(all.map((one: { id: string }) => one.id))
    const filters = { coord: { in: ['3', '4'] } }
    expect((await post(ada, '/memories/search', { query: 'lantern', filters })).body.memories.map((one: { coord: string }) => one.coord)).toEqual(['3', '4'])
    expect((await get(ada, `/memories/search?query=lantern&filters=${encodeURIComponent(JSON.stringify(filters))}`)).body.memories).toHaveLength(2)
  })

  test('each bound is taken on its near side and refused, with a pointer, on its far side', async () => {
    const ada = await library(['x'])
    const q = { query: 'x' }
    const batch = (n: number) => ({ queries: Array.from({ length: n }, () => 'x') })
    const bounds: [string, object, object, string][] = [
      ['/recall', { ...q, top_k: 100 }, { ...q, top_k: 101 }, '/top_k'],
      ['/recall', { ...q, top_k: 1 }, { ...q, top_k: 0 }, '/top_k'],
      ['/recall', { query: long(65536) }, { query: long(65537) }, '/query'],
      ['/recall_batch', batch(50), batch(51), '/queries'],
      ['/recall_batch', batch(1), batch(0), '/queries'],
      ['/recall_batch', { ...batch(1), top_k: 100 }, { ...batch(1), top_k: 101 }, '/top_k'],
      ['/recall_with_scores', { ...q, top_k: 100 }, { ...q, top_k: 101 }, '/top_k'],
      ['/hybrid_recall_with_scores', { ...q, boost: 1 }, { ...q, boost: 0.99 }, '/boost'],
      ['/hybrid_recall_with_scores', { ...q, boost: 100 }, { ...q, boost: 100.01 }, '/boost'],
      ['/hybrid_recall_with_scores', { ...q, terms: Array(32).fill('x') }, { ...q, terms: Array(33).fill('x') }, '/terms'],
      ['/hybrid_recall_with_scores', { ...q, terms: [long(1024)] }, { ...q, terms: [long(1025)] }, '/terms/0'],
      ['/recall_with_context', { ...q, context: { a: long(16384 - 8) } }, { ...q, context: { a: long(16384 - 7) } }, '/context'],
      ['/recall_with_context', { ...q, top_k: 100 }, { ...q, top_k: 101 }, '/top_k'],
      ['/memories/search', { ...q, top_k: 60, offset: 40 }, { ...q, top_k: 60, offset: 41 }, '/offset'],
      ['/memories/search', { ...q, offset: 0 }, { ...q, offset: -1 }, '/offset'],
    ]
    for (const [path, near, far, pointer] of bounds) {
      const taken = await post(ada, path, near)
      expect(taken.status, `${path} ${taken.text.slice(0, 200)}`).toBe(200)
      expectProblem(await post(ada, path, far), 'invalid', pointer)
    }
    const wrong: [string, unknown, string][] = [
      ...['/recall', '/recall_with_scores', '/hybrid_recall_with_scores', '/recall_with_context', '/memories/search'].flatMap((path): [string, unknown, string][] => [
        [path, {}, '/query'],
        [path, { query: ' \n' }, '/query'],
        [path, { ...q, universe: 'real' }, '/universe'],
        [path, { ...q, tenant_id: 1 }, '/tenant_id'],
      ]),
      ['/recall_batch', { queries: ['x', ''] }, '/queries/1'],
      ['/recall_batch', { queries: 'x' }, '/queries'],
      ['/hybrid_recall_with_scores', { ...q, terms: [''] }, '/terms/0'],
      ['/hybrid_recall_with_scores', { ...q, exact: 'yes' }, '/exact'],
      ['/hybrid_recall_with_scores', { ...q, filters: { nothing: 1 } }, '/filters/nothing'],
      ['/recall_batch', { queries: ['x'], filters: { nothing: 1 } }, '/filters/nothing'],
      ['/memories/search', { ...q, filters: [] }, '/filters'],
      ['/recall_with_context', { ...q, context: [] }, '/context'],
      ['/recall_with_context', { ...q, type: 'dream' }, '/type'],
    ]
    for (const [path, body, pointer] of wrong) expectProblem(await post(ada, path, body), 'invalid', pointer)
    for (const [query, pointer] of [
      ['query=x&top_k=5x', '/top_k'],
      ['query=x&top_k=', '/top_k'],
      ['query=x&top_k=1e1', '/top_k'],
      ['query=x&hybrid=1', '/hybrid'],
      ['query=x&filters={', '/filters'],
      ['query=x&filters=[]', '/filters'],
      ['query=x&type=dream', '/type'],
      ['query=x&query=y', '/query'],
      ['query=x&tenant=1', '/tenant'],
      ['', '/query'],
    ] as const)
      expectProblem(await get(ada, `/recall?${query}`), 'invalid', pointer)
    expectProblem(await get(ada, '/memories/search?query=x&offset=101'), 'invalid', '/offset')
    expectProblem(await product().call(ada, 'POST', '/recall?top_k=5', q), 'invalid', '/top_k')
  })

  test('a key without the right to read is refused, and no credential is', async () => {
    const writer = await product().tenant(['memory:write'])
    for (const path of ['/recall', '/recall_with_scores', '/hybrid_recall_with_scores', '/recall_with_context', '/memories/search']) {
      expectProblem(await post(writer, path, { query: 'x' }), 'forbidden')
      expectProblem(await product().call(null, 'POST', path, { query: 'x' }), 'unauthenticated')
    }
    expectProblem(await post(writer, '/recall_batch', { queries: ['x'] }), 'forbidden')
  })
})
