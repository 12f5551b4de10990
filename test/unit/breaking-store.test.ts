import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BlobMissing, type BlobStore, breakingStore } from '../../shared/blob/index.ts'
import { type Breaker, createBreakers } from '../../shared/breaker/index.ts'
import { s3Store } from '../../shared/s3/index.ts'
import { useS3 } from '../support/s3.ts'

let server: Server
let endpoint: string
let asked = 0
let answer: { status: number; code: string; headers?: Record<string, string> }
const content = 'what is stored'

beforeAll(async () => {
  server = createServer((request, response) => {
    asked += 1
    request.resume()
    const { status, code, headers } = answer
    const body = status === 200 ? content : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`
    request.on('end', () => response.writeHead(status, { 'content-type': status === 200 ? 'text/plain' : 'application/xml', ...headers }).end(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endpoint = useS3(`http://key:secret@127.0.0.1:${(server.address() as AddressInfo).port}`).endpoint
})
afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())))

function bucket(): { store: BlobStore; breaker: Breaker } {
  const breaker = createBreakers({ failures: 3, openMs: 600_000 }, () => {}).of('blob_store')
  return { store: breakingStore(s3Store({ bucket: 'backups', endpoint }), breaker), breaker }
}
async function read(store: BlobStore, key: string): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of store.get(key)) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}
async function* pieces() {
  yield Buffer.from(content)
}

test('what a bucket answers passes as it is and opens nothing: that there is no such key, that the credentials are wrong', async () => {
  const { store, breaker } = bucket()
  answer = { status: 200, code: '' }
  expect(await read(store, 'x')).toBe(content)
  answer = { status: 404, code: 'NoSuchKey' }
  for (let i = 0; i < 5; i++) await expect(read(store, 'x')).rejects.toThrow(BlobMissing)
  answer = { status: 403, code: 'InvalidAccessKeyId' }
  for (let i = 0; i < 5; i++) await expect(store.list('')).rejects.toThrow(/look at AWS_ACCESS_KEY_ID/)
  expect(breaker.state()).toBe('closed')
})

test('a source that fails is none of the store’s failures', async () => {
  const { store, breaker } = bucket()
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield* pieces()
    throw new Error('the source broke')
  }
  for (let i = 0; i < 5; i++) await expect(store.put('x', broken())).rejects.toThrow(/^the source broke$/)
  expect(breaker.state()).toBe('closed')
})

test('a store that fails is asked again by the SDK, and after three calls not at all, whatever is wanted', async () => {
  const { store, breaker } = bucket()
  answer = { status: 503, code: 'SlowDown' }
  asked = 0
  for (const ask of [() => store.list(''), () => read(store, 'x'), () => store.put('x', pieces())]) await expect(ask()).rejects.toMatchObject({ code: 'unavailable' })
  expect(asked).toBeGreaterThan(3)
  expect(breaker.state()).toBe('open')
  answer = { status: 200, code: '' }
  asked = 0
  for (const ask of [() => store.list(''), () => read(store, 'x'), () => store.put('x', pieces()), () => store.remove('x')])
    await expect(ask()).rejects.toThrow(/The blob store fails .*does not work now.*is not asked for now/)
  expect(asked).toBe(0)
}, 120_000)
