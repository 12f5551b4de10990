import type * as ecs from 'aws-cdk-lib/aws-ecs'
import * as iam from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import type * as lambda from 'aws-cdk-lib/aws-lambda'
import type * as logs from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { ManifestRow } from '../functions/manifest.ts'
import { lambdaFunction } from './lambda.ts'
import { stageLog } from './logs.ts'
import type { Network } from './network.ts'
import type { Target } from './placement.ts'
import { type Secrets, secretsOf } from './secrets.ts'
import type { Settings, Stage } from './settings.ts'
import { fargateTask } from './task.ts'

/** What all task handlers share: they run from one image. */
export type TaskPlatform = { cluster: ecs.ICluster; image: ecs.ContainerImage }

export type HandlerProps = {
  row: ManifestRow
  target: Target
  stage: Stage
  settings: Settings
  network: Network
  key: IKey
  secrets: Secrets
  /** Undefined in a stack without tasks. */
  platform: TaskPlatform | undefined
  /** The folder that holds `<name>/lambda.ts`. */
  functionsRoot: string
}

/** A row on its host. A service exists for http and records; a job is started by its schedule or by hand. */
export type Placed = { on: 'lambda'; fn: lambda.Function } | { on: 'task'; definition: ecs.FargateTaskDefinition; container: ecs.ContainerDefinition; service?: ecs.FargateService }

/** Turns a manifest row into a Lambda function or a Fargate task: size, logs, environment, and permission for exactly its secrets. */
export class Handler extends Construct {
  readonly row: ManifestRow
  readonly placed: Placed

  constructor(scope: Construct, props: HandlerProps) {
    super(scope, pascalCase(props.row.name))
    this.row = props.row
    const { row, settings, stage } = props
    // One logical id and one name on either host, so that a change of -c compute keeps the log.
    const logGroup = stageLog(this, 'Log', { name: `/soma/${stage}/${row.name}`, settings, key: props.key })
    const secrets = secretsOf(row, settings).map((name) => ({ name, secret: props.secrets.of(this, name) }))
    const traces: Record<string, string> = settings.otlpEndpoint === null ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: settings.otlpEndpoint }
    const environment = { STAGE: stage, ...traces, ...settings.variables, ...Object.fromEntries(secrets.map(({ name, secret }) => [`${name}_SECRET_ARN`, secret.secretArn])) }
    const host = { ...props, logGroup, environment }
    this.placed = props.target === 'lambda' ? { on: 'lambda', fn: lambdaFunction(this, host) } : fargateTask(this, host)
    props.secrets.grant(
      this.grantPrincipal,
      secrets.map(({ secret }) => secret),
    )
  }

  /** The role the handler's own code acts under. */
  get grantPrincipal(): iam.IPrincipal {
    return this.placed.on === 'lambda' ? this.placed.fn.grantPrincipal : this.placed.definition.taskRole.grantPrincipal
  }

  /** Lets this handler invoke another by name. A task cannot be invoked: it is reached by its schedule or its topic, so nothing is granted. */
  mayInvoke(other: Handler): void {
    if (other.placed.on !== 'lambda') return
    const { fn } = other.placed
    this.setVariable(functionVariable(other.row.name), fn.functionName)
    this.grantPrincipal.addToPrincipalPolicy(new iam.PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [fn.functionArn] }))
  }

  setVariable(name: string, value: string): void {
    if (this.placed.on === 'lambda') this.placed.fn.addEnvironment(name, value)
    else this.placed.container.addEnvironment(name, value)
  }
}

/** What a host needs besides the row. */
export type HostProps = HandlerProps & { logGroup: logs.ILogGroup; environment: Record<string, string> }

/** `drain-outbox` to `FUNCTION_DRAIN_OUTBOX`, the variable that holds a function's name. */
export const functionVariable = (name: string): string => `FUNCTION_${name.toUpperCase().replaceAll('-', '_')}`

export const pascalCase = (name: string): string => name.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())
