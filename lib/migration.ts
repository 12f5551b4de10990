import { Duration } from 'aws-cdk-lib'
import { Trigger } from 'aws-cdk-lib/triggers'
import type { Construct, IConstruct } from 'constructs'
import type { Handler } from './handler.ts'

/**
 * Migrates at each deployment that changes the code of `migrate`: after what it needs is there, before anything else of the deployment. It fails, and the deployment goes back, when the migration
 * fails. Until the others are replaced the version before them works on the new schema: migrations only add what old code does not see.
 */
export function migrateFirst(scope: Construct, { migrate, after, before }: { migrate: Handler; after: IConstruct[]; before: Construct[] }): void {
  if (migrate.placed.on !== 'lambda') throw new Error('Only a function migrates in a deployment.')
  // a little longer than the function may take, or it would be called a second time
  const timeout = Duration.seconds(migrate.row.timeoutSeconds + 30)
  new Trigger(scope, 'Migration', { handler: migrate.placed.fn, timeout, executeAfter: after, executeBefore: before })
}
