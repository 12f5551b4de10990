import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError, parseConfig } from '../../shared/config/index.ts'
import { createEmbedder } from '../../shared/embed/index.ts'
import { s3Environment } from '../support/s3.ts'

type Asked = { path: string; body: Record<string, unknown> }
type Reply = { status: number; body: unknown; headers?: Record<string, string> }
let server: Http2Server
const sessions = new Set<ServerHttp2Session>()
let endpoint: string
let asked: Asked[] = []
let reply: (asked: Asked) => Reply

/** A vector that tells its text apart: 1 at the place of the text's length. */
const vectorOf = (text: string, length: number) => Array.from({ length }, (_, i) => Number(i === text.length % length))
const placeOf = (vector: Float32Array | undefined) => vector?.indexOf(1)
const titan = ({ body }: Asked): Reply => ({ status: 200, body: { embedding: vectorOf(body.inputText as string, body.dimensions as number), inputTextTokenCount: 3 } })
const refused = (status: number, type: string, headers = {}): Reply => ({ status, body: { message: 'no' }, headers: { 'x-amzn-errortype': type, ...headers } })

beforeAll(async () => {
  // Bedrock's InvokeModel: POST /model/<id>/invoke, over HTTP/2 as the SDK speaks to it
  server = createServer(async (request, response) => {
    const one = { path: decodeURIComponent(request.url ?? ''), body: (await json(request)) as Record<string, unknown> }
    asked.push(one)
    const { status, body, headers } = reply(one)
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  })
  server.on('session', (session) => sessions.add(session))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  endpoint = `http://127.0.0.1:${port}`
  const { S3_ENDPOINT: _, ...credentials } = s3Environment(`http://key:secret@127.0.0.1:${port}`)
  Object.assign(process.env, credentials)
})
afterAll(() => {
  for (const session of sessions) session.destroy()
  return new Promise<void>((resolve) => server.close(() => resolve()))
})
beforeEach(() => {
  asked = []
})

const embedderOf = (model: string, dimension: number, more: Record<string, string> = {}) =>
  createEmbedder(parseConfig({ EMBEDDER: 'bedrock', EMBEDDING_MODEL: model, EMBEDDING_DIM: String(dimension), AWS_REGION: 'eu-central-1', BEDROCK_ENDPOINT: endpoint, ...more }))

describe('each model in its own form', () => {
  test('Titan v2 is asked text by text, and answers in their order', async () => {
    reply = titan
    const texts = Array.from({ length: 20 }, (_, i) => 'x'.repeat(i + 1))
    const vectors = await embedderOf('amazon.titan-embed-text-v2:0', 256).embed(texts)
    expect(vectors.map(placeOf)).toEqual(texts.map((text) => text.length))
    expect(asked).toHaveLength(20)
    expect(asked).toContainEqual({ path: '/model/amazon.titan-embed-text-v2:0/invoke', body: { inputText: 'x', dimensions: 256, normalize: true } })
  })

  test.each([
    ['cohere.embed-multilingual-v3', 1024, { truncate: 'END' }],
    ['eu.cohere.embed-v4:0', 1536, { truncate: 'RIGHT', output_dimension: 1536 }],
  ])('%s is asked for all at once, and told what is a query', async (model, dimension, more) => {
    const embedder = embedderOf(model, dimension)
    const forms = [(floats: number[][]) => ({ embeddings: { float: floats } }), (floats: number[][]) => ({ embeddings: floats })]
    for (const form of forms) {
      reply = ({ body }) => ({ status: 200, body: form((body.texts as string[]).map((text) => vectorOf(text, dimension))) })
      expect((await embedder.embed(['four', 'fives'])).map(placeOf)).toEqual([4, 5])
    }
    await embedder.embed(['four'], { purpose: 'query' })
    expect(asked.map(({ path, body }) => [path, body.input_type])).toEqual(['search_document', 'search_document', 'search_query'].map((type) => [`/model/${model}/invoke`, type]))
    expect(asked[0]?.body).toEqual({ texts: ['four', 'fives'], input_type: 'search_document', embedding_types: ['float'], ...more })
  })

  test('a text is cut to what the model takes, and not through a character', async () => {
    reply = ({ body }) => ({ status: 200, body: { embeddings: (body.texts as string[]).map((text) => vectorOf(text, 1024)) } })
    await embedderOf('cohere.embed-english-v3', 1024).embed([`${'x'.repeat(2_047)}😀`, 'y'.repeat(5_000)])
    const [{ body }] = asked as [Asked]
    expect((body.texts as string[]).map((text) => text.length)).toEqual([2_047, 2_048])
  })
})

test('it is tried again when it throttles or fails, and away when it goes on; what it answers amiss is told', async () => {
  const embedder = () => embedderOf('amazon.titan-embed-text-v2:0', 256)
  for (const [status, type] of [
    [429, 'ThrottlingException'],
    [503, 'ServiceUnavailableException'],
    [500, 'InternalServerException'],
    [424, 'ModelErrorException'],
  ] as const) {
    asked = []
    reply = (one) => (asked.length === 1 ? refused(status, type) : titan(one))
    expect(await embedder().embed(['x'])).toHaveLength(1)
    reply = () => refused(status, type)
    await expect(embedder().embed(['x'])).rejects.toMatchObject({ code: 'unavailable', message: `The embedder fails: Bedrock answered ${status} (${type}).` })
  }
  for (const [body, says] of [
    [{ nothing: 1 }, 'something else than embeddings'],
    [{ embedding: [1, 2, 3] }, 'vectors of 3 numbers, and EMBEDDING_DIM is 256'],
  ] as const) {
    reply = () => ({ status: 200, body })
    await expect(embedder().embed(['x'])).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining(says) })
  }
  await expect(embedderOf('amazon.titan-embed-text-v2:0', 256, { BEDROCK_ENDPOINT: 'http://127.0.0.1:9' }).embed(['x'])).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/Bedrock cannot be reached \(\w+\): look at AWS_REGION/),
  })
}, 30_000)

test('what it refuses is invalid, asked once, and says where to look', async () => {
  for (const [status, type, says] of [
    [403, 'AccessDeniedException', 'bedrock:InvokeModel'],
    [400, 'ValidationException', 'too long'],
    [404, 'ResourceNotFoundException', 'EMBEDDING_MODEL'],
  ] as const) {
    asked = []
    reply = () => refused(status, type)
    await expect(embedderOf('amazon.titan-embed-text-v2:0', 256).embed(['x'])).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining(says) })
    expect(asked).toHaveLength(1)
  }
})

test('a model or a dimension that it does not have is a wrong configuration, by name', () => {
  expect(() => embedderOf('meta.llama3-8b-instruct-v1:0', 256)).toThrow(ConfigError)
  expect(() => embedderOf('meta.llama3-8b-instruct-v1:0', 256)).toThrow(/EMBEDDING_MODEL got "meta/)
  expect(() => embedderOf('amazon.titan-embed-text-v2:0', 384)).toThrow('EMBEDDING_DIM got "384": amazon.titan-embed-text-v2:0 takes 256, 512, 1024.')
  expect(() => parseConfig({ EMBEDDER: 'bedrock', EMBEDDING_MODEL: 'm' })).toThrow(/AWS_REGION/)
})
