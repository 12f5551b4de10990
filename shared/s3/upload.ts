import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { BlobExists } from '../blob/index.ts'
import { statusOf } from './explain.ts'

/** S3 takes 10,000 parts of at least 5 MiB: so an object has at most 80 GB, and an upload holds four parts in memory. */
const partBytes = 8 * 1024 * 1024
const atOnce = 3
/** Giving up must not wait as long as trying did. */
const abortMs = 20_000

const leftBehind = 'What was uploaded of it could not be removed: it is invisible, and a lifecycle rule of the bucket for incomplete multipart uploads ends it.'

type Target = { client: S3Client; bucket: string; key: string; ifAbsent: boolean; lockDays: number; told: (error: unknown) => Error }

/**
 * Writes a stream as one object: one request for up to 8 MiB, a multipart upload beyond. It is there as a whole after the last request, or not at all.
 * Not by @aws-sdk/lib-storage: that reads the source to its end after a part has failed, and leaves the parts behind when the last request fails.
 * @throws BlobExists with `ifAbsent`, the source's own error, or one that names the bucket
 */
export async function upload({ client, bucket, key, ifAbsent, lockDays, told }: Target, content: AsyncIterable<Uint8Array>): Promise<void> {
  const object = { Bucket: bucket, Key: key }
  const locked = lockDays > 0 ? ({ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: new Date(Date.now() + lockDays * 86_400_000) } as const) : {}
  const condition = ifAbsent ? { IfNoneMatch: '*' } : {}
  const send = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error) => {
      throw told(error)
    })
  /** The request that makes the object. Also refused when somebody else makes it at this moment (409). */
  const finish = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error) => {
      if (ifAbsent && [409, 412].includes(statusOf(error) ?? 0)) throw new BlobExists(`There is something already at ${key} in the bucket ${bucket}.`, { cause: error })
      throw told(error)
    })

  const chunks = cut(content)
  try {
    const first = await chunks.next()
    const second = await chunks.next()
    if (second.done) {
      await finish(client.send(new PutObjectCommand({ ...object, ...condition, ...locked, Body: first.value as Buffer, ChecksumAlgorithm: 'CRC32' })))
      return
    }
    const { UploadId } = await send(client.send(new CreateMultipartUploadCommand({ ...object, ...locked, ChecksumAlgorithm: 'CRC32' })))
    const parts: CompletedPart[] = []
    const underway: Promise<CompletedPart>[] = []
    let number = 0
    const start = (chunk: Buffer): void => {
      const PartNumber = ++number
      const part = send(client.send(new UploadPartCommand({ ...object, UploadId, PartNumber, Body: chunk, ChecksumAlgorithm: 'CRC32' })))
      const sent = part.then(({ ETag, ChecksumCRC32 }): CompletedPart => ({ PartNumber, ETag, ChecksumCRC32 }))
      // whoever awaits it hears of its failure; until then it must not end the process
      sent.catch(() => {})
      underway.push(sent)
    }
    try {
      start(first.value as Buffer)
      start(second.value)
      for await (const chunk of chunks) {
        if (underway.length >= atOnce) parts.push((await underway.shift()) as CompletedPart)
        start(chunk)
      }
      while (underway.length) parts.push((await underway.shift()) as CompletedPart)
      await finish(client.send(new CompleteMultipartUploadCommand({ ...object, ...condition, UploadId, MultipartUpload: { Parts: parts } })))
    } catch (error) {
      // a part that arrives after the abort would stay behind
      await Promise.allSettled(underway)
      const abort = new AbortMultipartUploadCommand({ ...object, UploadId })
      const left = await client.send(abort, { abortSignal: AbortSignal.timeout(abortMs) }).then(
        () => false,
        // gone already when the last request did its work and only its answer was lost
        (failed) => statusOf(failed) !== 404,
      )
      if (left && error instanceof Error && !(error instanceof BlobExists)) throw new Error(`${error.message} ${leftBehind}`, { cause: error })
      throw error
    }
  } finally {
    await chunks.return(undefined)
  }
}

/** Pieces of exactly the size of a part, the last one shorter; one that is empty when there is nothing. */
async function* cut(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, undefined> {
  let chunk = Buffer.allocUnsafe(partBytes)
  let length = 0
  let cuts = 0
  for await (const piece of content) {
    for (let from = 0; from < piece.length; ) {
      if (length === partBytes) {
        yield chunk
        cuts += 1
        chunk = Buffer.allocUnsafe(partBytes)
        length = 0
      }
      const taken = Math.min(piece.length - from, partBytes - length)
      chunk.set(piece.subarray(from, from + taken), length)
      from += taken
      length += taken
    }
  }
  if (length || !cuts) yield chunk.subarray(0, length)
}
