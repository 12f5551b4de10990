import { audit } from './audit.ts'
import { guide } from './guide.ts'
import { links } from './links.ts'
import { memories } from './memories.ts'
import type { Operation } from './operation.ts'
import { operationStates } from './operations.ts'
import { outbox } from './outbox.ts'
import { recall } from './recall.ts'
import { recovery } from './recovery.ts'
import { status } from './status.ts'
import { tenants } from './tenants.ts'
import { transfer } from './transfer.ts'
import { usage } from './usage.ts'

export type { Operation, Parameter } from './operation.ts'
export { problemsOf } from './problems.ts'

/** Every operation that is served, for the OpenAPI document; a test holds it to the manifest's routes. */
export const operations: readonly Operation[] = [
  ...memories,
  ...recall,
  ...links,
  ...operationStates,
  ...tenants,
  ...audit,
  ...outbox,
  ...recovery,
  ...usage,
  ...guide,
  ...transfer,
  ...status,
]
