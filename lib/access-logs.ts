import { CfnOutput, Duration, Stack } from 'aws-cdk-lib'
import type { ApplicationLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { removalOf } from './removal.ts'
import type { Settings } from './settings.ts'

const balancerPrefix = 'balancer'

/** Who has asked the load balancer and the bucket of the backups, in a bucket of its own, for as many days as logs are kept. Load balancers write to no bucket that a key of one's own encrypts. */
export class AccessLogs extends Construct {
  readonly bucket: Bucket

  constructor(scope: Construct, id: string, { logRetentionDays, removalPolicy }: Pick<Settings, 'logRetentionDays' | 'removalPolicy'>) {
    super(scope, id)
    this.bucket = new Bucket(this, 'Bucket', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      lifecycleRules: [{ id: 'kept', expiration: Duration.days(logRetentionDays) }],
      removalPolicy: removalOf({ removalPolicy }),
    })
    new CfnOutput(this, 'Name', { value: this.bucket.bucketName, description: 'The bucket of logs of access' }).overrideLogicalId('AccessLogsBucketName')
  }

  /** The CDK's own way wants the region at synthesis: it names an account of AWS in each, where regions of today take the service's name. */
  ofBalancer(balancer: ApplicationLoadBalancer): void {
    balancer.setAttribute('access_logs.s3.enabled', 'true')
    balancer.setAttribute('access_logs.s3.bucket', this.bucket.bucketName)
    balancer.setAttribute('access_logs.s3.prefix', balancerPrefix)
    const resource = this.bucket.arnForObjects(`${balancerPrefix}/AWSLogs/${Stack.of(this).account}/*`)
    this.bucket.addToResourcePolicy(
      new PolicyStatement({ principals: [new ServicePrincipal('logdelivery.elasticloadbalancing.amazonaws.com')], actions: ['s3:PutObject'], resources: [resource] }),
    )
    if (this.bucket.policy) balancer.node.addDependency(this.bucket.policy)
  }
}
