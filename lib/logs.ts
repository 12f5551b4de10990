import type { IKey } from 'aws-cdk-lib/aws-kms'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import type { Construct } from 'constructs'
import { removalOf } from './removal.ts'
import type { Settings } from './settings.ts'

export type LogProps = { name: string; settings: Pick<Settings, 'logRetentionDays' | 'removalPolicy'>; key: IKey }

/** A log that ends after the stage's days and that nobody reads without the stage's key. */
export function stageLog(scope: Construct, id: string, { name, settings, key }: LogProps): LogGroup {
  return new LogGroup(scope, id, {
    logGroupName: name,
    retention: settings.logRetentionDays,
    encryptionKey: key,
    removalPolicy: removalOf(settings),
  })
}
