import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { S3Client } from '@aws-sdk/client-s3'
import { DeleteObjectCommand, ListObjectVersionsCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../local/services/command.ts'
import { lockOf } from '../../shared/backup/index.ts'
import { BlobExists } from '../../shared/blob/index.ts'
import { s3Store } from '../../shared/s3/index.ts'
import { breakingWay, createBucket, openUploads, s3Environment, useS3, versionsIn } from '../support/s3.ts'
import { requireService } from '../support/services.ts'

const mebibyte = 1024 * 1024
const s3 = requireService('TEST_S3_URL')

async function* zeros(mebibytes: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < mebibytes; i++) yield Buffer.alloc(mebibyte)
}
async function lengthOf(content: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0
  for await (const piece of content) length += piece.length
  return length
}

describe.skipIf(!s3)(`objects of a bucket${s3 ? '' : ' (skipped: no TEST_S3_URL)'}`, () => {
  let client: S3Client
  let endpoint: string
  let bucket: string
  beforeAll(async () => {
    const used = useS3(s3 as string)
    client = used.client
    endpoint = used.endpoint
    bucket = await createBucket(client)
  })

  test('a source that fails in the middle of a multipart upload leaves no object and no open upload', async () => {
    const store = s3Store({ bucket, endpoint })
    async function* broken() {
      yield* zeros(30)
      expect(await openUploads(client, bucket)).toEqual(['half'])
      throw new Error('the source broke')
    }
    await expect(store.put('half', broken())).rejects.toThrow(/^the source broke$/)
    expect([await store.list('half'), await openUploads(client, bucket)]).toEqual([[], []])
  })

  test('of two multipart uploads to one new key the second is refused, and leaves nothing open', async () => {
    const store = s3Store({ bucket, endpoint })
    const put = (mebibytes: number) => store.put('large', zeros(mebibytes), { ifAbsent: true })
    await put(20)
    await expect(put(17)).rejects.toThrow(BlobExists)
    expect([await store.list('large'), await openUploads(client, bucket)]).toEqual([[{ key: 'large', bytes: 20 * mebibyte }], []])
  })

  test('an object of exactly one part, and one byte more, come back whole', async () => {
    const store = s3Store({ bucket, endpoint })
    for (const bytes of [8 * mebibyte, 8 * mebibyte + 1]) {
      const content = randomBytes(bytes)
      await store.put(
        'exact',
        (async function* () {
          yield content
        })(),
      )
      const pieces: Buffer[] = []
      for await (const piece of store.get('exact')) pieces.push(piece)
      expect(Buffer.concat(pieces).equals(content)).toBe(true)
    }
  })

  test('an answer that breaks off is taken up again where it was, and given up when it breaks again and again', async () => {
    const content = randomBytes(6 * mebibyte)
    await s3Store({ bucket, endpoint }).put(
      'broken-off',
      (async function* () {
        yield content
      })(),
    )
    const way = await breakingWay(endpoint, { afterBytes: mebibyte, times: 3 })
    const pieces: Buffer[] = []
    for await (const piece of s3Store({ bucket, endpoint: way.endpoint }).get('broken-off')) pieces.push(piece)
    expect([way.broken(), Buffer.concat(pieces).equals(content)]).toEqual([3, true])
    way.close()
    const hopeless = await breakingWay(endpoint, { afterBytes: 0, times: Number.POSITIVE_INFINITY })
    await expect(lengthOf(s3Store({ bucket, endpoint: hopeless.endpoint }).get('broken-off'))).rejects.toThrow(
      `The bucket ${bucket} breaks off broken-off after 0 of ${6 * mebibyte} bytes again and again.`,
    )
    expect(hopeless.broken()).toBe(4)
    hopeless.close()
  })

  test('an object that is replaced while it is read is not mixed with the new one', async () => {
    const store = s3Store({ bucket, endpoint })
    await store.put('replaced', zeros(6))
    const way = await breakingWay(endpoint, { afterBytes: mebibyte, times: 1 })
    const reader = s3Store({ bucket, endpoint: way.endpoint }).get('replaced')[Symbol.asyncIterator]()
    await reader.next()
    await store.put('replaced', zeros(7))
    await expect(lengthOf({ [Symbol.asyncIterator]: () => reader })).rejects.toThrow(/was replaced while it was read/)
    way.close()
  })

  test('lists more keys than a page has, and no folder that a console made', async () => {
    const listed = await createBucket(client)
    const store = s3Store({ bucket: listed, endpoint })
    const keys = Array.from({ length: 1_050 }, (_, i) => `many/${String(i).padStart(5, '0')}`)
    for (let from = 0; from < keys.length; from += 50)
      await Promise.all(keys.slice(from, from + 50).map((Key) => client.send(new PutObjectCommand({ Bucket: listed, Key, Body: 'x' }))))
    await client.send(new PutObjectCommand({ Bucket: listed, Key: 'folder/', Body: new Uint8Array() }))
    expect((await store.list('many')).map(({ key }) => key)).toEqual(keys)
    expect(await store.list('')).toHaveLength(1_050)
    expect(await store.list('folder')).toEqual([])
  })

  test('what is removed is kept as an older version where the bucket keeps them', async () => {
    const versioned = await createBucket(client, true)
    const store = s3Store({ bucket: versioned, endpoint })
    await store.put('x', zeros(1))
    await store.remove('x')
    expect([await store.list(''), await versionsIn(client, versioned)]).toEqual([[], 1])
  })

  test('what is locked stays as a version, whoever removes it, as long as it is; the manifest of an archive that is being written is not', async () => {
    const locking = await createBucket(client, true, true)
    const store = s3Store({ bucket: locking, endpoint, lock: lockOf(1, 24) })
    // one request, and several
    for (const [key, size] of [
      ['a/manifest.json', 1],
      ['a/part-000001.soma', 9],
      ['a/unfinished.json', 1],
    ] as const)
      await store.put(key, zeros(size))
    const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: locking }))
    const removed = await Promise.allSettled(Versions.map(({ Key, VersionId }) => client.send(new DeleteObjectCommand({ Bucket: locking, Key, VersionId }))))
    expect(removed.map(({ status }, i) => [Versions[i]?.Key, status])).toEqual([
      ['a/manifest.json', 'rejected'],
      ['a/part-000001.soma', 'rejected'],
      ['a/unfinished.json', 'fulfilled'],
    ])
    await store.remove('a/manifest.json')
    expect([(await store.list('a')).map(({ key }) => key), await versionsIn(client, locking)]).toEqual([['a/part-000001.soma'], 2])
  })

  test('a stream of 200 MiB goes in and comes out in constant memory', async () => {
    const script = `
      const { s3Store } = await import('./shared/s3/index.ts')
      const store = s3Store({ bucket: process.env.BUCKET, endpoint: process.env.S3_ENDPOINT })
      async function* source(n) { for (let i = 0; i < n * 16; i++) yield Buffer.alloc(65536, i) }
      const drain = async () => { let bytes = 0; for await (const piece of store.get('stream')) bytes += piece.length; return bytes }
      await store.put('stream', source(40)); await drain()
      const before = process.memoryUsage.rss(); let most = before
      const watch = setInterval(() => { most = Math.max(most, process.memoryUsage.rss()) }, 5)
      await store.put('stream', source(200))
      const bytes = await drain(); clearInterval(watch)
      console.log(JSON.stringify({ bytes, grown: most - before }))`
    const env = { PATH: process.env.PATH, BUCKET: bucket, ...s3Environment(s3 as string) }
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env, timeout: 60_000 })
    const { bytes, grown } = JSON.parse(stdout)
    expect(bytes).toBe(200 * mebibyte)
    expect(grown).toBeLessThan(100 * mebibyte)
  }, 60_000)

  describe('what is wrong is said in a sentence', () => {
    const everyWay = (of: { bucket: string; endpoint: string }) => {
      const store = s3Store(of)
      return [() => store.list('x'), () => store.put('x', zeros(1)), () => store.put('x', zeros(20), { ifAbsent: true }), () => lengthOf(store.get('x')), () => store.remove('x')]
    }

    test('a bucket that is not there', async () => {
      for (const ask of everyWay({ bucket: 'nowhere', endpoint })) {
        await expect(ask()).rejects.toThrow(`There is no bucket nowhere at ${new URL(endpoint).host}: look at BACKUP_BUCKET or the s3:// address, and at S3_ENDPOINT.`)
      }
    })

    test.each([
      ['AWS_ACCESS_KEY_ID', 'nobody'],
      ['AWS_SECRET_ACCESS_KEY', 'a wrong secret'],
    ])('a wrong %s', async (variable, wrong) => {
      const right = process.env[variable]
      process.env[variable] = wrong
      try {
        for (const ask of everyWay({ bucket, endpoint })) {
          const error = await ask().then(
            () => new Error('it worked'),
            (failed: Error) => failed,
          )
          expect(error.message).toMatch(
            new RegExp(`^The bucket ${bucket} at .* cannot be used with these credentials \\(\\w+\\): look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`),
          )
          expect(error.message).not.toContain(wrong)
        }
      } finally {
        process.env[variable] = right
      }
    })

    test.each([
      ['AWS_REGION', /set AWS_REGION/],
      ['AWS_ACCESS_KEY_ID', /cannot be used with these credentials \(CredentialsProviderError\): look at AWS_ACCESS_KEY_ID/],
    ])('no %s', async (variable, sentence) => {
      const { [variable]: given } = process.env
      delete process.env[variable]
      try {
        await expect(s3Store({ bucket, endpoint }).list('')).rejects.toThrow(sentence)
      } finally {
        process.env[variable] = given
      }
    })

    test('an endpoint where nobody listens', async () => {
      const nobody = `http://127.0.0.1:${await freePort()}`
      for (const ask of everyWay({ bucket, endpoint: nobody })) {
        await expect(ask()).rejects.toThrow(`The bucket ${bucket} at ${new URL(nobody).host} cannot be reached (ECONNREFUSED): look at S3_ENDPOINT`)
      }
    })
  })
})
