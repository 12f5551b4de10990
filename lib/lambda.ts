import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Duration } from 'aws-cdk-lib'
import { Architecture, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda'
import { type BundlingOptions, LogLevel, NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs'
import type { Construct } from 'constructs'
import type { HostProps } from './handler.ts'
import type { Stage } from './settings.ts'

/** The embedded Postgres of the local adapter (WASM and native code): never part of a function. */
export const notBundled = ['@electric-sql/pglite', '@electric-sql/pglite-pgvector', 'fs-native-extensions']

/** As long as a function may run. */
const longestSeconds = 900

/** Everything else is bundled, the AWS SDK too: the runtime's copy changes without a deployment. */
const bundling: BundlingOptions = {
  format: OutputFormat.ESM,
  target: 'node24',
  minify: true,
  sourceMap: true,
  sourcesContent: false,
  externalModules: notBundled,
  logLevel: LogLevel.ERROR,
  // pg and its kin are CommonJS: inside an ES module they find require, __filename and __dirname only if we define them. The
  // minifier does not see these names: a short one would some day be one of its own (cjs was).
  banner:
    "import{createRequire as createRequireOfBundle}from'node:module';const require=createRequireOfBundle(import.meta.url),__filename=import.meta.filename,__dirname=import.meta.dirname;",
}

/** Known beforehand: the armer knows the jobs, and they tell it what they left, so that one of them cannot wait for the other's name. */
export const armerName = (stage: Stage, row: string): string => `soma-${stage}-${row}`

/** The row as a Lambda function, bundled from `<functionsRoot>/<name>/lambda.ts`. */
export function lambdaFunction(scope: Construct, { row, stage, settings, network, logGroup, environment, functionsRoot }: HostProps): NodejsFunction {
  const projectRoot = dirname(functionsRoot)
  const entry = join(functionsRoot, row.name, 'lambda.ts')
  if (!existsSync(entry)) throw new Error(`The handler ${row.name} has no ${entry}: write it (3 to 6 lines around its handler.ts), or take "lambda" out of its hosts.`)
  requireEsbuild(scope)
  const arms = row.kind === 'job' && row.arms === true
  const fn = new NodejsFunction(scope, 'Function', {
    entry,
    handler: 'handler',
    projectRoot,
    depsLockFilePath: join(projectRoot, 'package-lock.json'),
    bundling,
    runtime: Runtime.NODEJS_24_X,
    architecture: settings.architecture === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64,
    memorySize: Math.round(row.memoryMb * settings.memoryMultiplier),
    timeout: Duration.seconds(Math.min(longestSeconds, row.timeoutSeconds)),
    reservedConcurrentExecutions: settings.reservedConcurrency[row.kind] ?? undefined,
    environment: { ...environment, NODE_OPTIONS: '--enable-source-maps' },
    description: row.summary,
    tracing: Tracing.DISABLED,
    logGroup,
    ...(arms ? { functionName: armerName(stage, row.name) } : { vpc: network.vpc, vpcSubnets: network.subnets, securityGroups: [network.handlers] }),
  })
  // What is told of once is tried twice more.
  if (arms) fn.configureAsyncInvoke({ retryAttempts: 2, maxEventAge: Duration.minutes(10) })
  // A job that failed or was throttled is tried again by its next tick; retries would pile up behind it.
  else if (row.kind === 'job') fn.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) })
  return fn
}

/** Without a local esbuild the CDK would turn to Docker by itself. */
function requireEsbuild(scope: Construct): void {
  try {
    createRequire(import.meta.url).resolve('esbuild')
  } catch (cause) {
    throw new Error(`esbuild is not installed, so ${scope.node.path} cannot be bundled: run npm ci.`, { cause })
  }
}
