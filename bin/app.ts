import { App } from 'aws-cdk-lib'
import { ContextError, readContext } from '../lib/context.ts'
import { SomaStack } from '../lib/stack.ts'

const app = new App()
try {
  new SomaStack(app, { context: readContext(app.node) })
} catch (error) {
  if (!(error instanceof ContextError)) throw error
  // A mistyped -c is answered with its sentence, without a stack trace.
  console.error(error.message)
  process.exit(1)
}
