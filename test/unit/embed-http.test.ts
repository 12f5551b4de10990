import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '../../shared/config/index.ts'
import { createEmbedder } from '../../shared/embed/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import { type EmbeddingServer, startEmbeddingServer, wellAnswered } from '../support/embedding-server.ts'

let server: EmbeddingServer
beforeEach(async () => {
  server = await startEmbeddingServer()
})
afterEach(() => server.close())

const embedderAt = (url: string, more: Record<string, string> = {}) => createEmbedder(parseConfig({ EMBEDDER: 'http', EMBEDDING_URL: url, EMBEDDING_MODEL: 'm', ...more }))
const failing = (status: number, headers: Record<string, string> = {}) => ({ status, headers, body: '{"error":{"message":"secret of the server"}}' })
/** The code and message of what is thrown. */
async function thrown(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toBeInstanceOf(AppError)
  return { code: error.code, message: error.message }
}

describe('a server that works', () => {
  test('takes texts in bounded batches and gives their vectors in order, of length 1', async () => {
    const texts = Array.from({ length: 130 }, (_, i) => `text number ${i}`)
    const vectors = await embedderAt(server.url, { EMBEDDING_API_KEY: 'k' }).embed(texts)
    expect(server.asked.map(({ input }) => input.length)).toEqual([64, 64, 2])
    expect(server.asked[0]).toMatchObject({ model: 'm', authorization: 'Bearer k' })
    const { data } = await wellAnswered([texts[129] as string])
    expect(vectors).toHaveLength(130)
    expect([...(vectors[129] as Float32Array)].map((value) => Math.round(value * 1e6))).toEqual(data[0]?.embedding.map((value) => Math.round(value * 1e6)))
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
  })

  test('gets long texts in batches of at most 256 Ki characters, a longer one alone', async () => {
    const long = 'word '.repeat(20 * 1024)
    await embedderAt(server.url).embed([long, long, long, 'x'.repeat(300 * 1024), 'short'])
    expect(server.asked.map(({ input }) => input.length)).toEqual([2, 1, 1, 1])
  })

  test('gets the beginning of what is longer than it is said to take', async () => {
    await embedderAt(server.url, { EMBEDDING_MAX_CHARACTERS: '100' }).embed(['x'.repeat(101), `${'y'.repeat(99)}😀`, 'short'])
    expect(server.asked[0]?.input.map((text) => text.length)).toEqual([100, 99, 5])
  })

  test('may answer in another order, and numbers whose squares a float cannot hold', async () => {
    server.answer(({ input }) => ({
      status: 200,
      body: JSON.stringify({ data: input.map((_, i) => ({ index: input.length - 1 - i, embedding: Array(384).fill(i === 0 ? 1e30 : -1e30) })) }),
    }))
    const vectors = await embedderAt(server.url).embed(['first', 'second'])
    expect(vectors.map((vector) => Math.sign(vector[0] as number))).toEqual([-1, 1])
    expect(Math.hypot(...(vectors[0] as Float32Array))).toBeCloseTo(1, 5)
  })
})

describe('a server that fails', () => {
  test('is tried again for what passes, and honours Retry-After', async () => {
    for (const status of [408, 429, 500, 502, 503, 504]) {
      let first = true
      server.answer(() => {
        if (!first) return 'well'
        first = false
        return failing(status, { 'retry-after': '0' })
      })
      expect(await embedderAt(server.url).embed(['x'])).toHaveLength(1)
    }
    expect(server.asked).toHaveLength(12)
  })

  test('is not tried again before the time that it asks for, when that is long: the call ends at once and says when', async () => {
    for (const header of ['30', new Date(Date.now() + 31_000).toUTCString()]) {
      server.asked.length = 0
      server.answer(() => failing(429, { 'retry-after': header }))
      const error = await embedderAt(server.url)
        .embed(['x'])
        .catch((reason) => reason)
      expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining('429') })
      expect(error.details.retryAfterSeconds).toBeGreaterThanOrEqual(29)
      expect(server.asked).toHaveLength(1)
    }
  })

  test('is away after three tries, and what it said stays with it', async () => {
    server.answer(() => failing(500))
    const { code, message } = await thrown(embedderAt(server.url).embed(['x']))
    expect({ code, message }).toEqual({ code: 'unavailable', message: 'The embedder fails: the embedding server answered 500.' })
    expect(server.asked).toHaveLength(3)
  })

  test('is away when it hangs, breaks off or is not there, and says which variable to look at', async () => {
    server.answer('hangs')
    expect((await thrown(embedderAt(server.url, { EMBEDDING_TIMEOUT_MS: '100' }).embed(['x']))).message).toBe('The embedder fails: no answer within 0.1 s.')
    // who has waited in vain does not wait again
    expect(server.asked).toHaveLength(1)
    server.answer('breaks off')
    expect((await thrown(embedderAt(server.url).embed(['x']))).message).toMatch(/broke off .*EMBEDDING_URL/)
    await server.down()
    expect(await thrown(embedderAt(server.url).embed(['x']))).toEqual({ code: 'unavailable', message: expect.stringMatching(/cannot be reached.*ECONNREFUSED.*EMBEDDING_URL/) })
  })

  test('is away when it answers something else, other vectors or another number of them', async () => {
    const vector = (length: number) => Array(length).fill(0.5)
    const answers: [string, RegExp][] = [
      ['<html>', /something else.*EMBEDDING_URL/],
      ['{"data":"none"}', /something else/],
      [JSON.stringify({ data: [{ index: 0, embedding: vector(383) }] }), /vectors of 383 numbers, and EMBEDDING_DIM is 384/],
      [JSON.stringify({ data: [] }), /0 vectors for 1 texts/],
      [JSON.stringify({ data: [0, 1].map((index) => ({ index, embedding: vector(384) })) }), /2 vectors for 1 texts/],
      [JSON.stringify({ data: [{ index: 7, embedding: vector(384) }] }), /not in their order/],
    ]
    for (const [body, says] of answers) {
      server.answer(() => ({ status: 200, body }))
      expect(await thrown(embedderAt(server.url).embed(['x']))).toEqual({ code: 'unavailable', message: expect.stringMatching(says) })
    }
    expect(server.asked).toHaveLength(answers.length)
  })
})

test('what a server refuses by a 4xx, or gives no direction to, is invalid, asked once, and repeats nothing of what it said', async () => {
  for (const [status, says] of [
    [400, 'EMBEDDING_MODEL'],
    [401, 'EMBEDDING_API_KEY'],
    [403, 'EMBEDDING_API_KEY'],
    [404, 'EMBEDDING_URL'],
    [413, 'too long'],
    [422, 'too long'],
  ] as const) {
    server.asked.length = 0
    server.answer(() => failing(status))
    const { code, message } = await thrown(embedderAt(server.url).embed(['x']))
    expect({ code, asked: server.asked.length }).toEqual({ code: 'invalid', asked: 1 })
    expect(message).toContain(String(status))
    expect(message).toContain(says)
    expect(message).not.toContain('secret')
  }
  for (const numbers of [Array(384).fill('0').join(), `NaN,${Array(383).fill('1').join()}`, `null,${Array(383).fill('1').join()}`]) {
    server.answer(() => ({ status: 200, body: `{"data":[{"index":0,"embedding":[${numbers}]}]}` }))
    expect(await thrown(embedderAt(server.url).embed(['x']))).toEqual({ code: 'invalid', message: expect.stringContaining('without a direction') })
  }
})

test('a caller who goes away ends the request', async () => {
  server.answer('hangs')
  const leaving = new AbortController()
  const call = embedderAt(server.url).embed(['x'], { signal: leaving.signal })
  await expect.poll(() => server.asked.length).toBe(1)
  leaving.abort(new Error('the caller is gone'))
  await expect(call).rejects.toThrow('the caller is gone')
})
