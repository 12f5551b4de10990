import { beforeAll, expect, test } from 'vitest'
import { hashEmbedder } from '../../shared/embed/index.ts'
import { recall } from '../../shared/recall/index.ts'
import { type Answer, describeEveryEngine } from '../support/engines.ts'
import { adminSql, idsOf, loseWakeUps } from './admin.ts'

const modes = ['lexical', 'vector', 'hybrid'] as const
type Found = { id: string; text: string; score: number; score_breakdown: Record<string, number> }
const texts = (answer: Answer): string[] => answer.body.results.map((one: Found) => one.text)

describeEveryEngine('recall', (product) => {
  beforeAll(() => loseWakeUps(product()))

  test('what is stored is found in every mode before it is indexed and after, and by eventual reads only after', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'the quick brown fox' })
    await call(ada, 'POST', '/v1/memories', { text: 'a lazy dog' })
    const eventual = { query: 'quick fox', mode: 'vector', consistency: 'eventual' }
    expect(texts(await call(ada, 'POST', '/v1/recall', eventual))).toEqual([])
    for (const round of ['pending', 'indexed']) {
      for (const mode of modes) {
        const found = await call(ada, 'POST', '/v1/recall', { query: 'quick fox', mode })
        expect([round, mode, texts(found)[0], found.body.degraded, found.body.degraded_reasons]).toEqual([round, mode, 'the quick brown fox', false, []])
      }
      await settle()
    }
    expect(texts(await call(ada, 'POST', '/v1/recall', eventual))[0]).toBe('the quick brown fox')
  })

  test('a score lies in 0..1 and is the sum of its parts, and an indexed memory scores as it did before', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    for (const text of ['red apple pie', 'green apple', 'apple', 'pear']) await call(ada, 'POST', '/v1/memories', { text, importance: 10 })
    const ask = async () => (await call(ada, 'POST', '/v1/recall', { query: 'red apple pie', weights: { recency: 0.3, importance: 0.7 } })).body.results as Found[]
    const before = await ask()
    expect([before.length, before[0]?.text]).toEqual([3, 'red apple pie'])
    for (const { score, score_breakdown: parts } of before) {
      expect(score).toBeGreaterThan(0)
      expect(score).toBeLessThanOrEqual(1)
      expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBeCloseTo(score, 8)
      expect(Object.keys(parts)).toEqual(['lexical', 'semantic', 'context', 'recency', 'importance'])
    }
    await settle()
    const after = await ask()
    const scores = (found: Found[]) => found.map(({ text, score }) => [text, Number(score.toFixed(2))]).sort()
    expect(scores(after)).toEqual(scores(before))
  })

  test('equal scores come in the order of storing', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    const stored = await call(ada, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 20 }, () => ({ text: 'the same words' })) })
    for (const mode of modes) {
      const found = await call(ada, 'POST', '/v1/recall', { query: 'same words', mode, top_k: 20 })
      expect([mode, idsOf(found.body.results)]).toEqual([mode, idsOf(stored.body.results)])
    }
  })

  test('recency and importance weigh nothing unless asked for', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'tea time', importance: 0, occurred_at: '2020-01-01T00:00:00Z' })
    await call(ada, 'POST', '/v1/memories', { text: 'tea time', importance: 10 })
    const ask = async (weights?: object) => {
      const { body } = await call(ada, 'POST', '/v1/recall', { query: 'tea time', ...(weights ? { weights } : {}) })
      return body.results.map(({ importance, score }: { importance: number; score: number }) => [importance, score])
    }
    const [first, second] = await ask()
    expect([first[0], second[0], first[1] - second[1]]).toEqual([0, 10, 0])
    for (const weights of [{ importance: 1 }, { recency: 1 }]) expect((await ask(weights)).map(([importance]: number[]) => importance)).toEqual([10, 0])
  })

  test('top_k, threshold and max_tokens cut the list from its end', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    // 40 characters are 10 tokens
    await call(ada, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 5 }, () => ({ text: 'budget '.padEnd(40, 'x') })) })
    await call(ada, 'POST', '/v1/memories', { text: 'budget budget plan' })
    const ask = async (more: object) => (await call(ada, 'POST', '/v1/recall', { query: 'budget plan', mode: 'lexical', ...more })).body
    const all = await ask({})
    expect([all.results.length, all.total_candidates]).toEqual([6, 6])
    expect((await ask({ top_k: 2 })).results).toEqual(all.results.slice(0, 2))
    expect((await ask({ max_tokens: 25 })).results).toEqual(all.results.slice(0, 3))
    expect((await ask({ max_tokens: 4 })).results).toEqual([])
    expect((await ask({ threshold: all.results[0].score })).results).toEqual(all.results.slice(0, 1))
    expect((await ask({ query: 'budget plan elsewhere', threshold: 1 })).results).toEqual([])
  })

  test('explain says which words matched, what each part adds, and the cosine where it counts', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'running in the park' })
    const { body } = await call(ada, 'POST', '/v1/recall', { query: 'he runs to parks and shops', explain: true })
    const { explain } = body.results[0]
    expect(explain.matched_terms).toEqual(['park', 'run'])
    expect(explain.parts.words).toBeGreaterThan(0)
    expect(explain.most).toBeGreaterThan(explain.parts.words)
    expect(explain.text).toMatch(/^matched park, run; its own words \d\.\d\d of \d\.\d\d; no vector yet$/)
    const { body: near } = await call(ada, 'POST', '/v1/recall', { query: 'he runs to parks', explain: true, mode: 'vector' })
    expect(near.results[0].explain.cosine).toBeGreaterThan(0)
    expect(near.results[0].explain.semantic_weight).toBe(1)
    expect((await call(ada, 'POST', '/v1/recall', { query: 'runs' })).body.results[0]).not.toHaveProperty('explain')
  })

  test('a query of stop words, of signs or of unknown words finds nothing by words and breaks nothing', async () => {
    const { call, tenant } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'to be or not to be' })
    await call(ada, 'POST', '/v1/memories', { text: 'something else entirely' })
    for (const query of ['the of and to', '!?', '… ☕', 'xyzzy']) {
      for (const mode of modes) {
        const { status, body } = await call(ada, 'POST', '/v1/recall', { query, mode })
        expect([status, body.degraded]).toEqual([200, false])
        if (mode === 'lexical') expect(body.results).toEqual([])
      }
    }
  })

  test('a place where nothing was ever stored answers an empty list', async () => {
    const { call, tenant } = product()
    const { body } = await call(await tenant(), 'POST', '/v1/recall', { query: 'anything', namespace: 'nowhere', user_id: 'nobody' })
    expect(body).toMatchObject({ results: [], total_candidates: 0, degraded: false, degraded_reasons: [] })
  })

  test('without the embedder it still answers by words, and says that it is degraded', async () => {
    const { call, tenant, ctx, settle } = product()
    const ada = await tenant()
    await call(ada, 'POST', '/v1/memories', { text: 'indexed apple' })
    await settle()
    await call(ada, 'POST', '/v1/memories', { text: 'pending apple' })
    const heard: string[] = []
    const embedder = { model: 'some model', dimension: 384, embed: () => Promise.reject(new Error('away')) }
    const deps = { embedder, onDegraded: (reason: string) => heard.push(reason), generation: async () => 1 }
    const found = await recall(ctx(ada), deps, { query: 'apple' })
    expect(found.results.map(({ text }) => text).sort()).toEqual(['indexed apple', 'pending apple'])
    expect([found.degraded, found.degraded_reasons]).toEqual([true, ['embedder_unavailable']])
    expect(heard).toEqual(['embedder_unavailable'])
    expect(await recall(ctx(ada), deps, { query: 'apple', mode: 'vector' })).toMatchObject({ results: [], degraded: true })
    expect(await recall(ctx(ada), deps, { query: 'apple', mode: 'lexical' })).toMatchObject({ degraded: false })
  })

  test('a model that tells something is weighed by how far it tells memories apart; the trigrams of the hash embedder tell nothing that the words do not', async () => {
    const { call, tenant, ctx } = product()
    const ada = await tenant()
    for (const text of ['the vessel left port', 'harbour fees', 'a boat trip', 'boat', 'unrelated']) await call(ada, 'POST', '/v1/memories', { text })
    const near: Record<string, number> = { 'the vessel left port': 0.9, 'a boat trip': 0.8, boat: 0.2 }
    const embed = async (texts: string[]) =>
      texts.map((text) => Float32Array.from({ length: 4 }, (_, i) => (i === 0 ? (near[text] ?? 0) : i === 1 ? Math.sqrt(1 - (near[text] ?? 0) ** 2) : 0)))
    const meaning = { model: 'some model', dimension: 4, embed: async (given: string[]) => (given[0] === 'boat trip?' ? [Float32Array.of(1, 0, 0, 0)] : embed(given)) }
    const deps = { embedder: meaning, onDegraded: () => {}, generation: async () => 1 }
    const { results } = await recall(ctx(ada), deps, { query: 'boat trip?', explain: true })
    expect(results.map(({ text }) => text)).toEqual(['a boat trip', 'boat', 'the vessel left port'])
    expect(results[2]?.score_breakdown).toMatchObject({ lexical: 0, semantic: results[2]?.score })
    expect(results[0]?.explain?.semantic_weight).toBeGreaterThan(0)
    const { results: words } = await recall(ctx(ada), { ...deps, embedder: hashEmbedder(384) }, { query: 'boat trip?' })
    expect(words.map(({ text, score_breakdown: { semantic } }) => [text, semantic])).toEqual([
      ['a boat trip', 0],
      ['boat', 0],
    ])
  })

  test('reads never write: no row of a memory, of its words or of its vector is touched', async () => {
    const { call, tenant, settle } = product()
    const ada = await tenant()
    const { body } = await call(ada, 'POST', '/v1/memories', { text: 'untouched', tags: ['t'] })
    await settle()
    await call(ada, 'POST', '/v1/memories', { text: 'untouched and pending' })
    const tables = ['memories', 'memory_versions', 'postings', 'vectors', 'vector_pending', 'outbox', 'usage_deltas', 'audit_log', 'scope_stats']
    const rows = async () => {
      const found = []
      for (const table of tables)
        found.push(await adminSql(product(), `select xmin::text, xmax::text, ctid::text from ${table} where tenant_id = $1::integer order by 3, 1`, [ada.tenantId]))
      return found
    }
    const before = await rows()
    for (const mode of modes) await call(ada, 'POST', '/v1/recall', { query: 'untouched', mode, explain: true })
    await call(ada, 'POST', '/v1/memories/list', { filters: { tags: { contains: 't' } } })
    await call(ada, 'GET', `/v1/memories/${body.id}`)
    await call(ada, 'GET', `/v1/memories/${body.id}/history`)
    expect(await rows()).toEqual(before)
  })
})
