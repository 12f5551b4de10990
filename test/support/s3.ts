import { randomBytes } from 'node:crypto'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectVersionsCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'

/** What a process takes to reach the S3 of this URL, which has its keys in it; and nothing of what this machine knows about AWS. */
export function s3Environment(url: string) {
  const { origin, username, password } = new URL(url)
  const machine = { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_EC2_METADATA_DISABLED: 'true' }
  return { S3_ENDPOINT: origin, AWS_ACCESS_KEY_ID: username, AWS_SECRET_ACCESS_KEY: password, AWS_REGION: 'us-east-1', ...machine }
}

/** The test file's process finds its credentials as any process does: in its environment. */
export function useS3(url: string): { client: S3Client; endpoint: string } {
  const { S3_ENDPOINT: endpoint, ...found } = s3Environment(url)
  Object.assign(process.env, found)
  return { client: new S3Client({ endpoint, forcePathStyle: true }), endpoint }
}

/** A new bucket; with `versions` it keeps what was replaced or removed, as the stack's does, and with `locks` objects may be locked. */
export async function createBucket(client: S3Client, versions = false, locks = false): Promise<string> {
  const Bucket = `test-${randomBytes(6).toString('hex')}`
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: locks }))
  if (versions) await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  return Bucket
}

/** The keys that have an upload which neither ended nor was given up. */
export async function openUploads(client: S3Client, Bucket: string): Promise<string[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
  return Uploads.map(({ Key = '' }) => Key)
}

/** How many versions of objects there are, removed ones and replaced ones too. */
export async function versionsIn(client: S3Client, Bucket: string): Promise<number> {
  const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }))
  return Versions.length
}

/** A way to the endpoint that breaks off after so many bytes of an answer (0: right after its head), as often as told; from then on it is a way like any other. */
export async function breakingWay(endpoint: string, breaks: { afterBytes: number; times: number }): Promise<{ endpoint: string; broken: () => number; close(): void }> {
  const { hostname, port } = new URL(endpoint)
  const sockets = new Set<Socket>()
  let broken = 0
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    let passed = 0
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}).on('close', () => [near, far].map((other) => other.destroy())))
    near.pipe(far)
    far.on('data', (bytes) => {
      if (near.writableEnded) return
      passed += bytes.length
      if (passed <= breaks.afterBytes || broken >= breaks.times) return near.write(bytes)
      broken += 1
      near.end(breaks.afterBytes ? bytes : bytes.subarray(0, bytes.indexOf('\r\n\r\n') + 4))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    broken: () => broken,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** A way to the endpoint on which the first upload stops until `release`; `held` tells that it has begun. */
export async function holdingWay(endpoint: string): Promise<{ endpoint: string; held: Promise<void>; release(): void; close(): void }> {
  const { hostname, port } = new URL(endpoint)
  const sockets = new Set<Socket>()
  const held = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}).on('close', () => [near, far].map((other) => other.destroy())))
    far.pipe(near)
    near.on('data', async (bytes) => {
      near.pause()
      if (bytes.toString('latin1').startsWith('PUT ')) {
        held.resolve()
        await released.promise
      }
      far.write(bytes)
      near.resume()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    held: held.promise,
    release: released.resolve,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
