import { Annotations, Fn, Stack } from 'aws-cdk-lib'
import * as ec2 from 'aws-cdk-lib/aws-ec2'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import { Construct } from 'constructs'
import { ContextError, type GivenVpc } from './context.ts'
import { stageLog } from './logs.ts'
import type { Target } from './placement.ts'
import type { Settings, Stage } from './settings.ts'

const services = ec2.InterfaceVpcEndpointAwsService
/** What a handler calls in AWS: without NAT each needs its endpoint. Lambda ships its own logs, a task's image and logs come over the network. */
const endpoints: Record<Target, Record<string, ec2.InterfaceVpcEndpointAwsService>> = {
  lambda: { SecretsManager: services.SECRETS_MANAGER, Lambda: services.LAMBDA },
  task: { SecretsManager: services.SECRETS_MANAGER, EcrApi: services.ECR, EcrImages: services.ECR_DOCKER, Logs: services.CLOUDWATCH_LOGS },
}

export type NetworkProps = { given: GivenVpc | undefined; targets: readonly Target[]; bedrock: boolean; stage: Stage; settings: Settings; key: IKey }

/** The VPC of the context, or a small one without NAT; and the security group of every handler, which a database has to admit. */
export class Network extends Construct {
  readonly vpc: ec2.IVpc
  readonly subnets: ec2.SubnetSelection
  readonly handlers: ec2.SecurityGroup
  /** Whether somebody else made it: then its way to AWS may be NAT. */
  readonly given: boolean

  constructor(scope: Construct, id: string, props: NetworkProps) {
    super(scope, id)
    const { given, settings } = props
    this.given = given !== undefined
    if (given && given.subnetIds.length !== 3 && settings.kafka && 'type' in settings.kafka)
      throw new ContextError('The stage makes a broker in each of three zones: "subnetIds" takes exactly three subnets, one in each.')
    this.vpc = given ? importVpc(this, given) : createVpc(this, props)
    this.subnets = { subnets: given ? this.vpc.privateSubnets : this.vpc.isolatedSubnets }
    // where the addresses of Postgres and of the embedding service are in secrets, egress cannot be narrowed to them
    this.handlers = new ec2.SecurityGroup(this, 'Handlers', { vpc: this.vpc, description: 'Soma handlers', allowAllOutbound: settings.database === null })
    if (settings.database) narrowEgress(this.handlers, this.vpc, settings)
  }
}

/** By HTTPS to the services of AWS, and inside the VPC to the database, Redis, Kafka and Milvus. */
function narrowEgress(handlers: ec2.SecurityGroup, vpc: ec2.IVpc, { kafka, redis, milvus, otlpEndpoint, variables }: Settings): void {
  const inside = ec2.Peer.ipv4(vpc.vpcCidrBlock)
  handlers.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'Endpoints, S3, and an embedding service')
  handlers.addEgressRule(inside, ec2.Port.tcp(5432), 'PostgreSQL')
  if (redis) handlers.addEgressRule(inside, ec2.Port.tcpRange(6379, 6380), 'Redis')
  if (kafka) handlers.addEgressRule(inside, ec2.Port.tcpRange(9092, 9198), 'Kafka')
  for (const port of portsOf([otlpEndpoint ?? '', ...Object.values(variables)])) handlers.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(port), 'A URL of the settings')
  if (milvus) handlers.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(milvus.port), 'Milvus')
}

/** Of what is an HTTP URL among these, and another than that of HTTPS. */
function portsOf(texts: readonly string[]): Set<number> {
  const urls = texts.flatMap((text) => (/^https?:\/\//.test(text) && URL.canParse(text) ? [new URL(text)] : []))
  return new Set(urls.map(({ protocol, port }) => Number(port || (protocol === 'https:' ? 443 : 80))).filter((port) => port !== 443))
}

function importVpc(scope: Construct, { vpcId, vpcCidr, subnetIds }: GivenVpc): ec2.IVpc {
  // Nothing here reads the zones, but the import wants one for each subnet; a look-up would need an account at synth.
  const availabilityZones = subnetIds.map((_, index) => Fn.select(index, Fn.getAzs()))
  Annotations.of(scope).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId', 'A given VPC keeps its own routes and endpoints.')
  return ec2.Vpc.fromVpcAttributes(scope, 'Vpc', { vpcId, vpcCidrBlock: vpcCidr, availabilityZones, privateSubnetIds: subnetIds })
}

function createVpc(scope: Construct, { targets, bedrock, stage, settings, key }: NetworkProps): ec2.IVpc {
  const brokers = settings.kafka !== null && 'type' in settings.kafka
  const vpc = new ec2.Vpc(scope, 'Vpc', {
    // a broker in each of three
    availabilityZones: Stack.of(scope).availabilityZones.slice(0, brokers ? 3 : 2),
    natGateways: 0,
    subnetConfiguration: [{ name: 'handlers', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 22 }],
    // Restricting it takes a custom resource with a function and a role of its own; no handler is in the default group.
    restrictDefaultSecurityGroup: false,
  })
  const destination = ec2.FlowLogDestination.toCloudWatchLogs(stageLog(scope, 'FlowLog', { name: `/soma/${stage}/refused-packets`, settings, key }))
  vpc.addFlowLog('Refused', { destination, trafficType: ec2.FlowLogTrafficType.REJECT })
  // Backups go to S3, and ECR keeps image layers there.
  vpc.addGatewayEndpoint('S3', { service: ec2.GatewayVpcEndpointAwsService.S3 })
  const more = { ...(bedrock ? { BedrockRuntime: services.BEDROCK_RUNTIME } : {}), ...(brokers && targets.includes('lambda') ? { Sts: services.STS } : {}) }
  const needed = Object.assign({}, ...targets.map((target) => endpoints[target]), more) as Record<string, ec2.InterfaceVpcEndpointAwsService>
  // an endpoint is paid by the hour and zone: where all rests, one zone has it for both
  const subnets = settings.rests ? { subnets: vpc.isolatedSubnets.slice(0, 1) } : undefined
  for (const [name, service] of Object.entries(needed)) vpc.addInterfaceEndpoint(name, { service, ...(subnets ? { subnets } : {}) })
  return vpc
}
