import { RemovalPolicy } from 'aws-cdk-lib'
import type { Settings } from './settings.ts'

/** What becomes of something with the stack. What is retained is so when it is replaced or deleted, and not when the deployment that was to make it fails: its name would be taken at the next try. */
export const removalOf = ({ removalPolicy }: Pick<Settings, 'removalPolicy'>): RemovalPolicy =>
  removalPolicy === 'retain' ? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE : RemovalPolicy.DESTROY
