import { CfnOutput, Duration, RemovalPolicy } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import type { Handler } from './handler.ts'
import type { Settings } from './settings.ts'

/** The folder of the archives: the permissions end where it ends. */
const prefix = 'backups'

/** How long what was replaced or removed can still be brought back; what a failed backup removed is gone after it too. */
const keptAfterRemoval = Duration.days(30)

/** The bucket of the backups: private, encrypted, by TLS only, and it keeps what was replaced or removed. */
export class Archives extends Construct {
  readonly bucket: Bucket

  constructor(scope: Construct, id: string, { removalPolicy }: Pick<Settings, 'removalPolicy'>) {
    super(scope, id)
    this.bucket = new Bucket(this, 'Bucket', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      versioned: true,
      lifecycleRules: [
        // an upload whose end could not be told to S3, such as a killed one
        { id: 'incomplete-uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
        { id: 'removed-objects', noncurrentVersionExpiration: keptAfterRemoval, expiredObjectDeleteMarker: true },
      ],
      removalPolicy: removalPolicy === 'retain' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })
    new CfnOutput(this, 'Name', { value: this.bucket.bucketName, description: 'The bucket of the backups' }).overrideLogicalId('BackupBucket')
  }

  /** Gives a handler the bucket and exactly what its row does there. A writer never reads; what it deletes, of a failed backup, is kept as an older version. */
  grant(handler: Handler): void {
    const { archives } = handler.row
    if (!archives) return
    handler.setVariable('BACKUP_BUCKET', this.bucket.bucketName)
    handler.setVariable('BACKUP_PREFIX', prefix)
    const actions = archives === 'write' ? ['s3:PutObject', 's3:AbortMultipartUpload', 's3:DeleteObject'] : ['s3:GetObject']
    const statements = [
      { actions, resources: [this.bucket.arnForObjects(`${prefix}/*`)] },
      // without a condition on the prefix: under one, S3 would answer 403 for an object that is not there
      { actions: ['s3:ListBucket'], resources: [this.bucket.bucketArn] },
    ]
    for (const statement of statements) handler.grantPrincipal.addToPrincipalPolicy(new PolicyStatement(statement))
  }
}
