import { DeleteObjectCommand, GetObjectCommand, type GetObjectCommandOutput, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { assertKey, BlobMissing, type BlobStore, type Stored } from '../blob/index.ts'
import { explain, isBroken, statusOf } from './explain.ts'
import { upload } from './upload.ts'
import { urlSigner } from './urls.ts'

/** `endpoint` is that of another service than AWS, which then names buckets in the path. Region and credentials are found by the SDK's own chain. */
export type S3Options = {
  bucket: string
  endpoint?: string | undefined
  /**
   * For so many days what is written under these keys can neither be replaced for good nor removed, whoever has the keys of whoever writes: the bucket keeps it as a version, in S3's mode GOVERNANCE. It takes
   * a bucket that was made with object lock.
   */
  lock?: { days: number; of: (key: string) => boolean } | undefined
}

/** A peer that is silent for so long is gone, and a request is tried so often: an unreachable store is an error within three minutes. */
const silentMs = 30_000
const attempts = 5
/** Answers that break off and are taken up again without one byte in between. */
const resumptions = 3

/** The objects of a bucket. It is opened with the first request. */
export function s3Store({ bucket, endpoint, lock }: S3Options): BlobStore {
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    maxAttempts: attempts,
    requestHandler: { connectionTimeout: 5_000, socketTimeout: silentMs },
    // its reader hangs when an answer breaks off; whoever reads has a hash of his own, as archives have
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  const sign = urlSigner({ bucket, endpoint })
  const told = (error: unknown) => explain(error, { bucket, endpoint })
  const named = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error) => {
      throw told(error)
    })

  return {
    async put(key, content, { ifAbsent = false } = {}) {
      assertKey(key)
      await upload({ client, bucket, key, ifAbsent, lockDays: lock?.of(key) ? lock.days : 0, told }, content)
    },

    /** An answer that breaks off is asked for again from there, of the same object: a reader that pauses to work is cut off by the other side. */
    async *get(key, from = 0) {
      assertKey(key)
      let at = from
      let etag: string | undefined
      for (let failures = 0; ; ) {
        const ask = new GetObjectCommand({ Bucket: bucket, Key: key, ...(at ? { Range: `bytes=${at}-` } : {}), ...(etag === undefined ? {} : { IfMatch: etag }) })
        const answer = (await client.send(ask).catch((error) => {
          if (statusOf(error) === 404 && error.name !== 'NoSuchBucket') throw new BlobMissing(`There is no ${key} in the bucket ${bucket}.`, { cause: error })
          if (statusOf(error) === 412) throw new Error(`${key} in the bucket ${bucket} was replaced while it was read.`, { cause: error })
          throw told(error)
        })) as GetObjectCommandOutput
        if (at && !answer.ContentRange?.startsWith(`bytes ${at}-`))
          throw new Error(`The service of the bucket ${bucket} does not answer parts of ${key}: it broke off after ${at} bytes.`)
        const whole = answer.ContentLength === undefined ? undefined : at + answer.ContentLength
        etag = answer.ETag
        try {
          for await (const piece of (answer.Body ?? []) as AsyncIterable<Buffer>) {
            at += piece.length
            failures = 0
            yield piece
          }
          if (whole === undefined || at === whole) return
        } catch (error) {
          if (!isBroken(error)) throw told(error)
          if (at === whole) return
        }
        if (++failures > resumptions) throw new Error(`The bucket ${bucket} breaks off ${key} after ${at} of ${whole} bytes again and again.`)
      }
    },

    async list(prefix) {
      if (prefix !== '') assertKey(prefix)
      const found: Stored[] = []
      const pages = async (Prefix: string): Promise<void> => {
        for (let from: string | undefined, more = true; more; ) {
          const page = await named(client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix, ContinuationToken: from })))
          for (const { Key = '', Size = 0 } of page.Contents ?? []) {
            // a key that ends so, without content, is how consoles show a folder
            if (!(Key.endsWith('/') && Size === 0)) found.push({ key: Key, bytes: Size })
          }
          from = page.NextContinuationToken
          more = page.IsTruncated === true && from !== undefined
        }
      }
      if (prefix === '') await pages('')
      else {
        // of all keys that begin with the prefix, the prefix itself comes first
        const { Contents: [first] = [] } = await named(client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 })))
        if (first?.Key === prefix) found.push({ key: prefix, bytes: first.Size ?? 0 })
        await pages(`${prefix}/`)
      }
      return found.sort((a, b) => (a.key < b.key ? -1 : 1))
    },

    async remove(key) {
      assertKey(key)
      await named(client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })))
    },

    urlOf: (key, allowed) => named(sign(key, allowed)),
  }
}
