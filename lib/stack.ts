import { fileURLToPath } from 'node:url'
import { CfnOutput, Stack } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { type ManifestRow, manifest } from '../functions/manifest.ts'
import { httpApi } from './api.ts'
import { loadBalancer } from './balancer.ts'
import { type DeployContext, givenVpc } from './context.ts'
import { Handler, pascalCase } from './handler.ts'
import { Network } from './network.ts'
import { targetOf } from './placement.ts'
import { scheduleJob } from './schedule.ts'
import { settingsOf } from './settings.ts'
import { taskPlatform } from './task.ts'

/** `functionsRoot` is the folder with `<name>/lambda.ts`; package-lock.json and node_modules are beside it. */
export type SomaStackProps = { context: DeployContext; functionsRoot?: string }

/** One stage of Soma Memory: every manifest row on its host, what calls it, and what it may call. */
export class SomaStack extends Stack {
  readonly handlers: ReadonlyMap<string, Handler>

  constructor(scope: Construct, props: SomaStackProps) {
    const { context, functionsRoot = fileURLToPath(new URL('../functions', import.meta.url)) } = props
    const { stage, compute } = context
    const settings = settingsOf(stage)
    super(scope, `soma-${stage}`, { description: `Soma Memory, ${stage}`, terminationProtection: settings.removalPolicy === 'retain', tags: { app: 'soma-memory', stage } })

    const targets = [...new Set(manifest.map((row) => targetOf(row, compute)))]
    const network = new Network(this, 'Network', { given: givenVpc(context), targets })
    const platform = targets.includes('task') ? taskPlatform(this, { network, stage, image: context.image }) : undefined
    const place = (row: ManifestRow) => new Handler(this, { row, target: targetOf(row, compute), stage, settings, network, platform, functionsRoot })
    this.handlers = new Map(manifest.map((row) => [row.name, place(row)]))

    for (const row of manifest) for (const name of row.invokes ?? []) this.handler(row.name).mayInvoke(this.handler(name))
    for (const row of manifest) if (row.kind === 'job' && row.everySeconds !== null) scheduleJob(this.handler(row.name), row.everySeconds, { network, platform })

    const http = manifest.filter((row) => row.kind === 'http')
    const front = { handlers: this.handlers, rows: http }
    if (compute === 'container') this.output('Url', `http://${loadBalancer(this, { ...front, network, settings }).loadBalancerDnsName}`, 'Base URL, inside the VPC')
    else this.output('Url', httpApi(this, { ...front, stage }).apiEndpoint, 'Base URL')
    this.output('HandlerSecurityGroup', network.handlers.securityGroupId, 'The security group a database has to admit')
    for (const row of manifest) if (row.kind === 'job' && row.everySeconds === null) this.nameOnDemand(row)
    if (platform) this.output('ClusterName', platform.cluster.clusterName, 'Where to run a task by hand')
  }

  private handler(name: string): Handler {
    const found = this.handlers.get(name)
    if (!found) throw new Error(`The manifest names the handler ${name} in an "invokes", but no row has this name.`)
    return found
  }

  /** A job without a schedule is started by hand: its name has to be findable. */
  private nameOnDemand({ name }: ManifestRow): void {
    const { placed } = this.handler(name)
    if (placed.on === 'lambda') this.output(`${pascalCase(name)}Function`, placed.fn.functionName, 'aws lambda invoke --function-name …')
    else this.output(`${pascalCase(name)}Task`, placed.definition.taskDefinitionArn, 'aws ecs run-task --task-definition …')
  }

  private output(id: string, value: string, description: string): void {
    new CfnOutput(this, id, { value, description })
  }
}
