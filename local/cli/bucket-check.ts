import type { Config } from '../../shared/config/index.ts'
import { type Check, check } from './checks.ts'

/** Whether the bucket of the backups is there and may be listed; nothing where none is configured. It writes nothing, so a right to write is not looked for. */
export async function bucketChecks({ BACKUP_BUCKET: bucket, S3_ENDPOINT: endpoint }: Config): Promise<Check[]> {
  if (bucket === undefined) return []
  const list = async () => {
    const { s3Store } = await import('../../shared/s3/index.ts')
    await s3Store({ bucket, endpoint }).list('is-the-bucket-there')
    return `The bucket ${bucket} is there and may be listed.`
  }
  return [await check('backup bucket', list)]
}
