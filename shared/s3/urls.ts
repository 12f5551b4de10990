import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { type Allowed, assertKey } from '../blob/index.ts'

/**
 * Signs URLs that speak to the bucket directly. A client of their own: by default the SDK would sign a checksum of the body that it has not, and S3 refuse every body but
 * an empty one. A PUT signs its length, so that nothing larger is stored than was announced.
 */
export function urlSigner({ bucket, endpoint }: { bucket: string; endpoint: string | undefined }): (key: string, allowed: Allowed) => Promise<string> {
  const client = new S3Client({ ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }), requestChecksumCalculation: 'WHEN_REQUIRED' })
  return async (key, allowed) => {
    assertKey(key)
    const object = { Bucket: bucket, Key: key }
    const options = { expiresIn: allowed.seconds }
    if (allowed.method === 'GET') return getSignedUrl(client, new GetObjectCommand(object), options)
    const put = new PutObjectCommand({ ...object, ContentLength: allowed.bytes })
    return getSignedUrl(client, put, { ...options, unhoistableHeaders: new Set(['content-length']), signableHeaders: new Set(['host', 'content-length']) })
  }
}
