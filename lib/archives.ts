import { CfnOutput, Duration, Stack } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import type { Handler } from './handler.ts'
import { removalOf } from './removal.ts'
import type { Settings } from './settings.ts'

/** The folder of the archives, and that of exports and imports: the permissions end where they end. */
const prefix = 'backups'
const transfersPrefix = 'transfers'

const increments = 'BACKUP_INCREMENT_EVERY_HOURS'

const onArchives = { write: ['s3:PutObject', 's3:AbortMultipartUpload', 's3:DeleteObject'], read: ['s3:GetObject'] }
const onTransfers = { get: ['s3:GetObject'], put: ['s3:PutObject', 's3:AbortMultipartUpload'], remove: ['s3:DeleteObject'] }

/** How long what was replaced or removed can still be brought back; what a failed backup removed is gone after it too. */
const keptAfterRemoval = Duration.days(30)

/** What the job sweep leaves of exports and imports when it is not run: their objects live for seven days. */
const transfersKept = Duration.days(9)

/** The bucket of the backups, and of exports and imports: private, encrypted, by TLS only, and of the backups it keeps what was replaced or removed. */
export class Archives extends Construct {
  readonly bucket: Bucket
  private readonly key: IKey
  private readonly settings: Pick<Settings, 'removalPolicy' | 'database' | 'variables' | 'backupLockDays'>

  constructor(scope: Construct, id: string, { settings, key, accessLogs }: { settings: Archives['settings']; key: IKey; accessLogs: IBucket }) {
    super(scope, id)
    this.key = key
    this.settings = settings
    this.bucket = new Bucket(this, 'Bucket', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: BucketEncryption.KMS,
      encryptionKey: key,
      // one call to KMS for many objects
      bucketKeyEnabled: true,
      enforceSSL: true,
      versioned: true,
      // without a period by default: what is exported lies in this bucket too, and is removed when its time is over
      objectLockEnabled: settings.backupLockDays !== null,
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: 'archives/',
      lifecycleRules: [
        // an upload whose end could not be told to S3, such as a killed one
        { id: 'incomplete-uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
        { id: 'removed-objects', noncurrentVersionExpiration: keptAfterRemoval, expiredObjectDeleteMarker: true },
        // of two rules that fit, the shorter one holds: what was exported is not kept longer than it has to be
        { id: 'transfers', prefix: `${transfersPrefix}/`, expiration: transfersKept, noncurrentVersionExpiration: Duration.days(1) },
      ],
      removalPolicy: removalOf(settings),
    })
    new CfnOutput(this, 'Name', { value: this.bucket.bucketName, description: 'The bucket of the backups' }).overrideLogicalId('BackupBucket')
  }

  /** Gives a handler the bucket and exactly what its row does there. A writer never reads; what it deletes, of a failed backup, is kept as an older version. */
  grant(handler: Handler): void {
    const { archives, transfers } = handler.row
    if (!archives && !transfers) return
    handler.setVariable('BACKUP_BUCKET', this.bucket.bucketName)
    if (archives) handler.setVariable('BACKUP_PREFIX', prefix)
    if (archives === 'write' && this.settings.backupLockDays !== null) handler.setVariable('BACKUP_LOCK_DAYS', String(this.settings.backupLockDays))
    // the stage's own database goes back to any second by itself, and each increment is paid as one reading of all rows
    if (archives === 'write' && this.settings.database) handler.setVariable(increments, this.settings.variables[increments] ?? '0')
    const writes = archives === 'write' || transfers?.includes('put')
    const { region, urlSuffix } = Stack.of(this)
    const statements = [
      ...(archives
        ? [
            {
              actions: [...onArchives[archives], ...(archives === 'write' && this.settings.backupLockDays !== null ? ['s3:PutObjectRetention'] : [])],
              resources: [this.bucket.arnForObjects(`${prefix}/*`)],
            },
          ]
        : []),
      ...(transfers ? [{ actions: transfers.flatMap((one) => onTransfers[one]), resources: [this.bucket.arnForObjects(`${transfersPrefix}/*`)] }] : []),
      // without a condition on the prefix: under one, S3 would answer 403 for an object that is not there
      { actions: ['s3:ListBucket'], resources: [this.bucket.bucketArn] },
      // S3 asks for both of whoever writes in parts
      {
        actions: ['kms:Decrypt', ...(writes ? ['kms:GenerateDataKey'] : [])],
        resources: [this.key.keyArn],
        conditions: { StringEquals: { 'kms:ViaService': `s3.${region}.${urlSuffix}` } },
      },
    ]
    for (const statement of statements) handler.grantPrincipal.addToPrincipalPolicy(new PolicyStatement(statement))
  }
}
