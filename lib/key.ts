import { Duration, Stack } from 'aws-cdk-lib'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Key } from 'aws-cdk-lib/aws-kms'
import type { Construct } from 'constructs'
import { databaseLog } from './database.ts'
import { removalOf } from './removal.ts'
import type { Settings, Stage } from './settings.ts'

/** The one key of a stage: of its logs, secrets, bucket, database, cache and broker. Turned once a year; what it has encrypted stays readable. */
export function stageKey(scope: Construct, { stage, settings }: { stage: Stage; settings: Pick<Settings, 'removalPolicy'> }): Key {
  const { region, partition, account } = Stack.of(scope)
  const key = new Key(scope, 'Key', {
    alias: `soma/${stage}`,
    description: `Soma Memory, ${stage}`,
    enableKeyRotation: true,
    pendingWindow: Duration.days(settings.removalPolicy === 'retain' ? 30 : 7),
    removalPolicy: removalOf(settings),
  })
  // `*` in a key's own policy is that key. CloudWatch Logs encrypts by it for this stage's log groups alone
  const forLogGroups = (pattern: string) => `arn:${partition}:logs:${region}:${account}:log-group:${pattern}`
  key.addToResourcePolicy(
    new PolicyStatement({
      sid: 'LogGroupsOfThisStage',
      principals: [new ServicePrincipal(`logs.${region}.amazonaws.com`)],
      actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey'],
      resources: ['*'],
      conditions: {
        ArnLike: { 'kms:EncryptionContext:aws:logs:arn': [forLogGroups(`/soma/${stage}/*`), forLogGroups(databaseLog(stage)), forLogGroups(`aws-waf-logs-soma-${stage}`)] },
      },
    }),
  )
  return key
}
