import { describe, expect, test } from 'vitest'
import { computeNames } from '../../lib/context.ts'
import { stageNames } from '../../lib/settings.ts'
import { ofType, synth } from './synth.ts'

describe.each(stageNames)('the bucket of the backups in %s', (stage) => {
  const { resources, template } = synth({ stage })
  // the other one is for logs of access
  const [found] = ofType(resources, 'AWS::S3::Bucket').filter(([, { Properties }]) => Properties.VersioningConfiguration)
  const [id, bucket] = found as [string, Record<string, unknown> & { Properties: Record<string, unknown> }]

  test('is private, encrypted and versioned', () => {
    template.resourceCountIs('AWS::S3::Bucket', 2)
    const [logs] = ofType(resources, 'AWS::S3::Bucket').find(([other]) => other !== id) ?? []
    expect(bucket.Properties.LoggingConfiguration).toEqual({ DestinationBucketName: { Ref: logs }, LogFilePrefix: 'archives/' })
    expect(bucket.Properties).toMatchObject({
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          {
            BucketKeyEnabled: true,
            ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: { 'Fn::GetAtt': [ofType(resources, 'AWS::KMS::Key')[0]?.[0], 'Arn'] } },
          },
        ],
      },
      VersioningConfiguration: { Status: 'Enabled' },
    })
  })

  test('ends incomplete uploads after a day, what was removed after thirty, and exports and imports after nine', () => {
    const { Rules } = bucket.Properties.LifecycleConfiguration as { Rules: Record<string, unknown>[] }
    expect(Rules).toEqual([
      expect.objectContaining({ Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }),
      expect.objectContaining({ Status: 'Enabled', NoncurrentVersionExpiration: { NoncurrentDays: 30 }, ExpiredObjectDeleteMarker: true }),
      expect.objectContaining({ Status: 'Enabled', Prefix: 'transfers/', ExpirationInDays: 9, NoncurrentVersionExpiration: { NoncurrentDays: 1 } }),
    ])
    // no rule ends an archive itself
    expect(JSON.stringify(Rules.filter(({ Prefix }) => Prefix !== 'transfers/'))).not.toContain('ExpirationInDays')
  })

  test('refuses whoever comes without TLS', () => {
    const policies = ofType(resources, 'AWS::S3::BucketPolicy').map(([, { Properties }]) => Properties)
    const policy = policies.find(({ Bucket }) => Bucket.Ref === id)
    expect(policy?.PolicyDocument.Statement).toEqual([
      expect.objectContaining({ Effect: 'Deny', Action: 's3:*', Principal: { AWS: '*' }, Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
    ])
  })

  test(`is ${stage === 'prod' ? 'kept when the stack is deleted' : 'deleted with the stack, once it is empty'}`, () => {
    const policy = stage === 'prod' ? 'RetainExceptOnCreate' : 'Delete'
    expect(bucket).toMatchObject({ DeletionPolicy: policy, UpdateReplacePolicy: stage === 'prod' ? 'Retain' : 'Delete' })
  })
})

test.each(computeNames)('compute %s names the bucket as an output and reaches S3 without leaving the VPC', (compute) => {
  const { resources, template } = synth({ compute })
  expect(Object.keys(template.toJSON().Outputs)).toContain('BackupBucket')
  const gateways = ofType(resources, 'AWS::EC2::VPCEndpoint').filter(([, { Properties }]) => Properties.VpcEndpointType === 'Gateway')
  expect(gateways).toHaveLength(1)
  expect(gateways[0]?.[1].Properties.RouteTableIds.length).toBe(2)
})
