import { DependencyFailure } from '../breaker/index.ts'

type Place = { bucket: string; endpoint: string | undefined }
/** What the SDK's errors carry beside the message; a network error has a code. */
type Told = { name?: string; code?: string; message?: string; $metadata?: { httpStatusCode?: number } }

export const statusOf = (error: unknown): number | undefined => (error as Told)?.$metadata?.httpStatusCode

const unreachable = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED'])
const certificate = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|EPROTO|WRONG_VERSION/
const credentials = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
  'CredentialsProviderError',
  'RequestTimeTooSkewed',
])
const otherRegion = new Set(['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException'])

/** The connection broke or fell silent in the middle of an answer. */
export function isBroken(error: unknown): boolean {
  const { name, code = '' } = error as Told
  return name === 'TimeoutError' || unreachable.has(code) || code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** A sentence that names the bucket and where to look, never a credential. What is not of S3 stays as it is. */
export function explain(error: unknown, { bucket, endpoint }: Place): Error {
  const sentence = sentenceOf(error as Told, bucket, endpoint)
  if (sentence !== undefined) return isAway(error as Told) ? new DependencyFailure(sentence, { cause: error }) : new Error(sentence, { cause: error })
  return error instanceof Error ? error : new Error(String(error))
}

/** The store cannot be used now, by anybody: not what it refuses, and nothing of a source that is being stored. */
function isAway({ name = '', code = '', $metadata }: Told): boolean {
  const status = $metadata?.httpStatusCode ?? 0
  return name === 'TimeoutError' || unreachable.has(code) || certificate.test(code) || (status >= 500 && status !== 501) || status === 429
}

function sentenceOf({ name = '', code = '', message = '', $metadata }: Told, bucket: string, endpoint: string | undefined): string | undefined {
  const status = $metadata?.httpStatusCode
  const where = endpoint === undefined ? 'at AWS' : `at ${new URL(endpoint).host}`
  if (name === 'NoSuchBucket') return `There is no bucket ${bucket} ${where}: look at BACKUP_BUCKET or the s3:// address, and at S3_ENDPOINT.`
  if (credentials.has(name))
    return `The bucket ${bucket} ${where} cannot be used with these credentials (${name}): look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role of the task or function.`
  if (/^Region (is missing|not accepted)/.test(message))
    return `The region of the bucket ${bucket} is not known: set AWS_REGION (with S3_ENDPOINT to what that service takes, often us-east-1).`
  if (otherRegion.has(name) || status === 301) return `The bucket ${bucket} is in another region: set AWS_REGION to its own.`
  if (status === 403) return `The credentials may not do this in the bucket ${bucket} ${where} (${name}): docs/deploy.md lists what a backup and a restore need.`
  if (certificate.test(code)) return `The certificate of the bucket ${bucket} ${where} is not trusted (${code}): look at S3_ENDPOINT and NODE_EXTRA_CA_CERTS.`
  if (name === 'TimeoutError' || unreachable.has(code))
    return `The bucket ${bucket} ${where} cannot be reached (${code || 'no answer in time'}): look at S3_ENDPOINT and AWS_REGION, and at the network.`
  if (status === 501)
    return `The service of the bucket ${bucket} ${where} lacks something that backups take (${name}, 501): multipart uploads, and writes under the condition If-None-Match.`
  if (status !== undefined && (status >= 500 || status === 429)) return `The bucket ${bucket} ${where} does not work now (${name}, ${status}): try again later.`
  if (status !== undefined) return `The bucket ${bucket} ${where} refused (${name}, ${status}).`
  return undefined
}
