import { fileURLToPath } from 'node:url'
import { CfnOutput, Fn, Stack } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { armer, type HttpRow, type ManifestRow, manifest } from '../functions/manifest.ts'
import { AccessLogs } from './access-logs.ts'
import { Alarms } from './alarms/index.ts'
import { httpApi } from './api.ts'
import { Archives } from './archives.ts'
import { loadBalancer } from './balancer.ts'
import { type DeployContext, givenModel, givenVpc } from './context.ts'
import { embedByBedrock } from './embedding.ts'
import { Handler, pascalCase } from './handler.ts'
import { connectKafka } from './kafka.ts'
import { stageKey } from './key.ts'
import { searchInMilvus } from './milvus.ts'
import { Network } from './network.ts'
import { rowsOf, type Target, targetOf } from './placement.ts'
import { Provided } from './provided.ts'
import { scheduleJob, scheduleMeasures } from './schedule.ts'
import { Secrets } from './secrets.ts'
import { type Settings, settingsOf } from './settings.ts'
import { sized } from './size.ts'
import { Sweeps } from './sweeps.ts'
import { taskPlatform } from './task.ts'

/** `functionsRoot` is the folder with `<name>/lambda.ts`; package-lock.json and node_modules are beside it. `settings` are the stage's own unless given. */
export type SomaStackProps = { context: DeployContext; functionsRoot?: string; settings?: Settings }

/** One stage of Soma Memory: every manifest row on its host, what calls it, and what it may call. */
export class SomaStack extends Stack {
  readonly handlers: ReadonlyMap<string, Handler>
  readonly alarms: Alarms
  private readonly compute: DeployContext['compute']
  private readonly settings: Settings

  constructor(scope: Construct, props: SomaStackProps) {
    const { context, functionsRoot = fileURLToPath(new URL('../functions', import.meta.url)) } = props
    const { stage, compute } = context
    const settings = sized(props.settings ?? settingsOf(stage), context)
    super(scope, `soma-${stage}`, { description: `Soma Memory, ${stage}`, terminationProtection: settings.removalPolicy === 'retain', tags: { app: 'soma-memory', stage } })
    this.compute = compute
    this.settings = settings

    const key = stageKey(this, { stage, settings })
    const rows = rowsOf(manifest, settings)
    const targets = [...new Set(rows.map((row) => this.target(row)))]
    const model = givenModel(context)
    const network = new Network(this, 'Network', { given: givenVpc(context), targets, bedrock: model !== undefined, stage, settings, key })
    const secrets = new Secrets(settings, key)
    const provided = new Provided(this, { stage, settings, network, key, secrets })
    const platform = targets.includes('task') ? taskPlatform(this, { network, stage, settings, image: context.image }) : undefined
    const handlerOf = (row: ManifestRow) => new Handler(this, { row, target: this.target(row), stage, settings, network, key, secrets, platform, functionsRoot })
    this.handlers = new Map(rows.map((row) => [row.name, handlerOf(row)]))

    const accessLogs = new AccessLogs(this, 'AccessLogs', settings)
    const archives = new Archives(this, 'Archives', { settings, key, accessLogs: accessLogs.bucket })
    for (const handler of this.handlers.values()) archives.grant(handler)
    if (model) embedByBedrock(this.handlers.values(), model)
    if (settings.milvus) searchInMilvus(this.handlers.values(), settings.milvus)
    if (provided.kafka) for (const handler of this.handlers.values()) connectKafka(handler, provided.kafka, stage)
    provided.connect(this.handlers)
    for (const { name, invokes = [] } of rows) {
      for (const other of invokes.map((one) => this.handler(one))) if (!(settings.kafka && other.row.kind === 'records')) this.handler(name).mayInvoke(other)
    }
    const place = { network, platform, rests: settings.rests }
    for (const row of rows) if (row.kind === 'job' && row.everySeconds !== null) scheduleJob(this.handler(row.name), row.everySeconds, place)
    if (settings.rests) new Sweeps(this, 'Sweeps', { armer: this.handler(armer.name), handlers: this.handlers, stage })
    else scheduleMeasures(this.handler('status'))
    this.alarms = new Alarms(this, 'Alarms', { stage, settings, key, handlers: this.handlers, provided })

    const http = rows.filter((row) => row.kind === 'http')
    const edge = { handlers: this.handlers, stage, settings, key }
    const on = (target: Target): HttpRow[] => http.filter((row) => this.target(row) === target)
    if (on('task').length) {
      const { loadBalancerDnsName } = loadBalancer(this, { ...edge, rows: on('task'), network, accessLogs })
      this.outputBalancer(loadBalancerDnsName)
    }
    if (compute !== 'container') this.output('Url', httpApi(this, { ...edge, rows: on('lambda') }).url, 'Base URL')
    this.output('HandlerSecurityGroup', network.handlers.securityGroupId, 'The security group a database has to admit')
    for (const row of rows) if (row.kind === 'job' && row.everySeconds === null && !row.arms) this.nameOnDemand(row)
    if (platform) this.output('ClusterName', platform.cluster.clusterName, 'Where to run a task by hand')
    if (settings.database)
      this.output('ApiTokenSecret', secrets.of(this, 'SOMA_API_TOKEN').secretArn, 'The token of the tenant default: aws secretsmanager get-secret-value --secret-id …')
    if (settings.database) this.output('BackupKeySecret', secrets.of(this, 'BACKUP_KEY').secretArn, 'The key of the backups: keep a copy of it outside of AWS')
  }

  /** Three zones where nothing says which: the CDK alone would name two. */
  override get availabilityZones(): string[] {
    return [0, 1, 2].map((index) => Fn.select(index, Fn.getAzs()))
  }

  /** Where the stack makes the database, its migration is part of the deployment, and only a function can be waited for there. */
  private target(row: ManifestRow): Target {
    return row.name === 'migrate' && this.settings.database ? 'lambda' : targetOf(row, this.compute, this.settings)
  }

  private handler(name: string): Handler {
    const found = this.handlers.get(name)
    if (!found) throw new Error(`The manifest names the handler ${name} in an "invokes", but no row has this name.`)
    return found
  }

  private outputBalancer(dnsName: string): void {
    const { domain } = this.settings
    const all = this.compute === 'container'
    const name = all ? domain?.name : (domain?.streamName ?? undefined)
    const url = domain ? `https://${name ?? dnsName}` : `http://${dnsName}`
    this.output(all ? 'Url' : 'StreamUrl', url, all ? 'Base URL' : 'Base URL of what streams: an HTTP API cannot')
    if (name) this.output('BalancerTarget', dnsName, `What ${name} has to be a CNAME of`)
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
