import { fileURLToPath } from 'node:url'
import { CfnOutput, Stack } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { type ManifestRow, manifest } from '../functions/manifest.ts'
import { httpApi } from './api.ts'
import { Archives } from './archives.ts'
import { loadBalancer } from './balancer.ts'
import { type DeployContext, givenModel, givenVpc } from './context.ts'
import { embedByBedrock } from './embedding.ts'
import { Handler, pascalCase } from './handler.ts'
import { connectKafka } from './kafka.ts'
import { searchInMilvus } from './milvus.ts'
import { Network } from './network.ts'
import { type Target, targetOf } from './placement.ts'
import { scheduleJob } from './schedule.ts'
import { type Settings, settingsOf } from './settings.ts'
import { taskPlatform } from './task.ts'

/** `functionsRoot` is the folder with `<name>/lambda.ts`; package-lock.json and node_modules are beside it. `settings` are the stage's own unless given. */
export type SomaStackProps = { context: DeployContext; functionsRoot?: string; settings?: Settings }

/** One stage of Soma Memory: every manifest row on its host, what calls it, and what it may call. */
export class SomaStack extends Stack {
  readonly handlers: ReadonlyMap<string, Handler>

  constructor(scope: Construct, props: SomaStackProps) {
    const { context, functionsRoot = fileURLToPath(new URL('../functions', import.meta.url)) } = props
    const { stage, compute } = context
    const settings = props.settings ?? settingsOf(stage)
    super(scope, `soma-${stage}`, { description: `Soma Memory, ${stage}`, terminationProtection: settings.removalPolicy === 'retain', tags: { app: 'soma-memory', stage } })

    const targets = [...new Set(manifest.map((row) => targetOf(row, compute)))]
    const model = givenModel(context)
    const network = new Network(this, 'Network', { given: givenVpc(context), targets, bedrock: model !== undefined })
    const platform = targets.includes('task') ? taskPlatform(this, { network, stage, settings, image: context.image }) : undefined
    const place = (row: ManifestRow) => new Handler(this, { row, target: targetOf(row, compute), stage, settings, network, platform, functionsRoot })
    this.handlers = new Map(manifest.map((row) => [row.name, place(row)]))

    const archives = new Archives(this, 'Archives', settings)
    for (const handler of this.handlers.values()) archives.grant(handler)
    if (model) embedByBedrock(this.handlers.values(), model)
    if (settings.milvus) searchInMilvus(this.handlers.values(), settings.milvus)
    if (settings.kafka) for (const handler of this.handlers.values()) connectKafka(handler, settings.kafka, stage)
    for (const { name, invokes = [] } of manifest) {
      for (const other of invokes.map((one) => this.handler(one))) if (!(settings.kafka && other.row.kind === 'records')) this.handler(name).mayInvoke(other)
    }
    for (const row of manifest) if (row.kind === 'job' && row.everySeconds !== null) scheduleJob(this.handler(row.name), row.everySeconds, { network, platform })

    const http = manifest.filter((row) => row.kind === 'http')
    const on = (target: Target) => http.filter((row) => targetOf(row, compute) === target)
    const balanced = on('task')
    if (balanced.length) {
      const { loadBalancerDnsName } = loadBalancer(this, { handlers: this.handlers, rows: balanced, network, settings })
      const [id, what] = compute === 'container' ? ['Url', 'Base URL, inside the VPC'] : ['StreamUrl', 'Base URL, inside the VPC, of what streams: an HTTP API cannot']
      this.output(id as string, `http://${loadBalancerDnsName}`, what as string)
    }
    if (compute !== 'container') this.output('Url', httpApi(this, { handlers: this.handlers, rows: on('lambda'), stage }).apiEndpoint, 'Base URL')
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
